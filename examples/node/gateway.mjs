// A gateway: samples from standard input, a line each, or a made ECG, to an engine. Written from docs/protocol.md;
// words in quotes are headings of that page.
//
//   node gateway.mjs --rate 250 home/p17/chest/ecg < samples.csv
//   node gateway.mjs --play 60 home/p17/chest/ecg
//
// What it may do and leaves out: many streams, a spool on disk, live_first, HELLO, PING.

import { createInterface } from "node:readline"
import { setTimeout as sleep } from "node:timers/promises"
import { parseArgs } from "node:util"
import { Dealer } from "zeromq"
import { KIND, acknowledgements, isMap, pack, spellRecord, unpack, useKeys } from "./wire.mjs"

const [BAD_FRAME, NOT_OPEN, STALE_SESSION, SEQ_GAP, NO_CREDIT] = [1, 2, 3, 4, 5]
const [FORBIDDEN, STORAGE, FULL] = [7, 11, 34]
const isNotNow = (code) => code >= 10 && code <= 31
const SILENCE_MS = 1000
const AWAY_MS = 3000 // an engine that was named by another and says nothing is given up
const MAX_HOPS = 4 // from one to the next

const { values: asked, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    endpoint: { type: "string", default: "tcp://127.0.0.1:7401" },
    kind: { type: "string", default: "ecg" },
    rate: { type: "string", default: "250" },
    labels: { type: "string", default: "" },
    unit: { type: "string", default: "mV" },
    chunk: { type: "string" },
    spool: { type: "string", default: "4096" },
    ack: { type: "string", default: "received" },
    t0: { type: "string", default: "0" },
    play: { type: "string" },
    keys: { type: "string" },
    "server-key": { type: "string" },
  },
})
const [key] = positionals
if (!key) throw new Error("name the stream: site/subject/device/signal")
const [num, den = 1] = asked.rate.split("/").map(Number)
const labels = asked.labels.split(",")
const chunk = Number(asked.chunk ?? Math.floor(num / den / 25) + 1)
const room = Number(asked.spool)
const nowNs = () => BigInt(Date.now()) * 1_000_000n
const samplesNs = (n) => BigInt(Math.round((n * 1e9 * den) / num))

const session = nowNs() // strictly larger at each start
let spool = [] // records that are not acknowledged, oldest first
let nextSeq = 0
let unsent = 0 // number of the next record to send
let filling = []
let nSamples = 0
let ended = false

let handle = 0 // 0: the stream is not open
let credit = { records: 0, bytes: 0 }
let askAt = 0
let heardAt = 0
let refused = { seq: -1, times: 0 }
const count = { sent: 0, again: 0, lost: 0 }

let socket
let endpoint
let hops = 0 // REDIRECTs in a row
let answeredAt = 0 // when the engine at this endpoint said anything

// Each engine has a connection of its own, and a stream is open on one of them.
function connect(to) {
  socket?.close()
  socket = new Dealer({
    linger: 0,
    immediate: true, // the spool is the queue
    sendHighWaterMark: 0, // credit is the bound
    sendTimeout: 0,
    reconnectInterval: 50,
    reconnectMaxInterval: 2000,
    heartbeatInterval: 1000,
    heartbeatTimeout: 3000,
  })
  if (asked.keys) useKeys(socket, asked.keys, asked["server-key"])
  socket.connect(to)
  endpoint = to
  handle = askAt = 0
  answeredAt = Date.now()
  listen(socket)
}

function giveUp(why) {
  console.error(`gateway: ${key}: ${why}`)
  process.exit(1)
}

async function post(message) {
  try {
    await socket.send(message)
    return true
  } catch {
    return false // nobody is connected
  }
}

const firstSeq = () => nextSeq - spool.length
const sizeOf = (record) => 64 + (record.kind === KIND.DATA ? Math.ceil((record.n * labels.length) / 2) * 8 : 0)

// "OPEN"
async function ask() {
  handle = 0
  askAt = Infinity
  const posted = await post(
    pack("OPEN", {
      key,
      session,
      kind: asked.kind,
      rate: [num, den],
      channels: labels.map((label) => ({ label, unit: asked.unit })),
      dtype: "f32",
      clock: "Date.now",
      ack: asked.ack,
      first_seq: firstSeq(),
      first_index: spool.length ? spool[0].index : nSamples - filling.length,
    }),
  )
  // where nobody is connected it is tried again soon; "Rules" 7: a thousand gateways don't ask at once
  askAt = Date.now() + (posted ? SILENCE_MS * (0.5 + Math.random()) : 50)
}

// "Rules" 3: credit
async function sendWhatMayGo() {
  while (handle && unsent < nextSeq && unsent - firstSeq() < credit.records) {
    const upTo = spool.slice(0, unsent - firstSeq() + 1)
    if (upTo.reduce((sum, each) => sum + sizeOf(each), 0) > credit.bytes) return
    const record = upTo.at(-1)
    if (!(await post(spellRecord(record, session, handle, labels.length)))) return
    count.sent++
    count.again += record.sent
    record.sent = true
    if (record.seq === unsent) unsent++ // unless a NACK has led back meanwhile
  }
}

function heldBelow(seq) {
  spool = spool.slice(Math.max(0, seq - firstSeq()))
  unsent = Math.max(unsent, firstSeq())
}

function replaceWithGap(record) {
  if (record.kind !== KIND.DATA) return
  count.lost += record.n
  record.kind = KIND.GAP
}

async function hearAcknowledgement(ack) {
  if (!handle || ack.session !== session || ack.stream !== handle) return // of an earlier OPEN
  heardAt = Date.now()
  if (ack.code === NOT_OPEN) return ask()
  if (ack.code === STALE_SESSION) giveUp("a newer producer has taken over")
  if (ack.code === FORBIDDEN) giveUp("this client may not write it")
  heldBelow(ack.nextSeq)
  credit = { records: ack.creditRecords, bytes: ack.creditBytes }
  if (ack.code === 0 || ack.code === STORAGE) return // STORAGE in an ACK says that the engine's disk refuses
  if (isNotNow(ack.code)) {
    handle = 0
    askAt = Date.now() + SILENCE_MS
    return
  }
  unsent = firstSeq() // the others say what is expected next: go back to it
  if (ack.code === SEQ_GAP || ack.code === NO_CREDIT || !spool.length) return
  refused = { seq: firstSeq(), times: refused.seq === firstSeq() ? refused.times + 1 : 1 }
  if (ack.code !== BAD_FRAME || refused.times >= 3) replaceWithGap(spool[0])
}

async function hearMap(fields) {
  if (fields.key !== key) return
  if (fields.type === "OPEN_OK" && BigInt(fields.session) === session) {
    const expected = Number(fields.next_seq)
    if (expected < firstSeq()) return ask() // that was lost here after OPEN was sent: name what is oldest now
    hops = 0
    heardAt = Date.now()
    handle = Number(fields.stream)
    credit = { records: Number(fields.credit[0]), bytes: Number(fields.credit[1]) }
    heldBelow(expected)
    unsent = firstSeq()
    if (fields.ack !== asked.ack) console.error(`gateway: an acknowledgement means ${fields.ack}`)
  } else if (fields.type === "ERR") {
    if (fields.code !== FULL && !isNotNow(fields.code)) giveUp(fields.message)
  } else if (fields.type === "REDIRECT") {
    if (++hops <= MAX_HOPS) return connect(fields.endpoint)
    hops = 0 // they send it in a circle
    connect(asked.endpoint)
    askAt = Date.now() + SILENCE_MS
  }
}

async function listen(to) {
  for await (const [message] of to) {
    if (to !== socket) return // of an engine that has it no more
    answeredAt = Date.now()
    if (isMap(message)) await hearMap(unpack(message))
    else for (const ack of acknowledgements(message)) await hearAcknowledgement(ack)
  }
}

function keep(record) {
  if (spool.length === room) {
    // "Rules" 9: the oldest are lost, and a GAP with the number of the last of them stands for them
    const [oldest, next] = spool
    replaceWithGap(oldest)
    replaceWithGap(next)
    next.n += next.index - oldest.index
    next.index = oldest.index
    spool.shift()
    unsent = Math.max(unsent, firstSeq())
    handle = 0 // OPEN tells the engine what to go on with
  }
  if (!spool.length) heardAt = Date.now() // an answer is due from now on
  spool.push({ ...record, seq: nextSeq++, sent: false })
}

function closeRecord() {
  const n = filling.length
  if (!n) return
  const index = nSamples - n
  const t0Ns = asked.t0 === "0" ? nowNs() - samplesNs(n - 1) : BigInt(asked.t0) + samplesNs(index)
  keep({ kind: KIND.DATA, index, n, t0Ns, values: filling.flat() })
  filling = []
}

function addSample(sample) {
  filling.push(sample)
  nSamples++
  if (filling.length === chunk) closeRecord()
}

// P, QRS and T, 72 a minute, each a bell: [s, mV, width in s]
const BELLS = [[0.2, 0.1, 0.02], [0.35, -0.1, 0.01], [0.375, 1.2, 0.01], [0.4, -0.2, 0.01], [0.6, 0.3, 0.04]]

async function play(seconds) {
  const begun = Date.now()
  for (let n = 0; n < (seconds * num) / den; ) {
    for (; n < (Math.min((Date.now() - begun) / 1000, seconds) * num) / den; n++) {
      const t = ((n * den) / num) % (60 / 72)
      const sample = BELLS.reduce((sum, [at, mv, width]) => sum + mv * Math.exp(-0.5 * ((t - at) / width) ** 2), 0)
      addSample(labels.map(() => sample))
    }
    await sleep(10)
  }
}

async function readLines() {
  for await (const line of createInterface({ input: process.stdin })) {
    const sample = labels.map((_, i) => Number.parseFloat(line.split(",")[i])) // what is no number is NaN: missing
    if (nSamples === 0 && sample.every(Number.isNaN)) continue // a first line of names
    while (spool.length >= room - 2) await sleep(10) // what is not read yet waits in the pipe
    addSample(sample)
  }
}

async function measure() {
  if (asked.play) await play(Number(asked.play))
  else await readLines()
  closeRecord()
  keep({ kind: KIND.END, index: nSamples, n: 0, t0Ns: 0n, values: [] })
  ended = true
}

connect(asked.endpoint)
measure()
while (!ended || spool.length) {
  const now = Date.now()
  const silent = handle && spool.length && now - heardAt > SILENCE_MS
  if (silent || (!handle && now >= askAt)) await ask()
  if (!handle && endpoint !== asked.endpoint && now - answeredAt > AWAY_MS) connect(asked.endpoint)
  await sendWhatMayGo()
  await sleep(5)
}
const records = `${count.sent} records sent, ${count.again} of them again`
console.error(`gateway: ${nSamples} samples, ${records}, ${count.lost} samples lost`)
process.exit(0)
