// A subscriber: what an engine says on a prefix of topics, each message once, in order, as a line of JSON. Written from
// docs/protocol.md, "Live" and "Missing nothing".
//
//   node subscriber.mjs home/p17/
//
// It ends after --quiet SECONDS without a message, or never.

import { parseArgs } from "node:util"
import { Dealer, Subscriber } from "zeromq"
import { isMap, pack, readLive, unpack, useKeys } from "./wire.mjs"

const { values: asked, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    live: { type: "string", default: "tcp://127.0.0.1:7402" },
    control: { type: "string", default: "tcp://127.0.0.1:7403" },
    quiet: { type: "string" },
    keys: { type: "string" },
    "server-key": { type: "string" },
  },
})
const [prefix = ""] = positionals
const ASK_MS = 1000
const NEWEST = 2n ** 63n - 1n // a hole up to what was said last, whichever number that has
const TRIES = 5 // a connection that has broken is noticed within three seconds

const link = {
  linger: 0,
  reconnectInterval: 50,
  reconnectMaxInterval: 2000,
  heartbeatInterval: 1000,
  heartbeatTimeout: 3000,
}
const live = new Subscriber({ ...link, receiveHighWaterMark: 20_000 })
const control = new Dealer(link)
for (const socket of asked.keys ? [live, control] : []) useKeys(socket, asked.keys, asked["server-key"])
live.subscribe(prefix)
if (prefix.includes("/")) live.subscribe(`${prefix.split("/")[0]}/-/-/-/heartbeat/`)

const topics = new Map() // name: {next, tKnownNs, waiting, hole: {to, id, at, tries} or null}
let queue = [] // live messages that came before the snapshot; null once it is there
let joining = { id: "join", after: "", at: 0 }
let lastId = 0
let heardAt = Date.now()
let connected = false
const count = { received: 0, duplicates: 0, damaged: 0, missed: 0, replayed: 0 }

function say(message) {
  count.received++
  count.replayed += message.replayed
  heardAt = Date.now()
  console.log(JSON.stringify(message, (_, value) => (typeof value === "bigint" ? String(value) : value)))
}

const request = (type, fields) => control.send(pack(type, fields)).catch(() => {}) // asked again if it gets lost

function askHole(name, topic, to) {
  const tries = (topic.hole?.tries ?? 0) + 1
  topic.hole = { to, id: ++lastId, at: Date.now(), tries }
  request("REPLAY", { id: lastId, topic: name, from: topic.next, to })
}

// Go on behind a hole that the engine can't fill.
function skip(name, topic) {
  if (topic.hole.to !== NEWEST) {
    const resume = topic.waiting.size ? Math.min(...topic.waiting.keys()) : topic.hole.to + 1
    count.missed += Math.max(0, resume - topic.next)
    topic.next = Math.max(topic.next, resume)
  }
  topic.hole = null
  release(name, topic)
}

function release(name, topic) {
  for (let message; (message = topic.waiting.get(topic.next)); topic.next++) {
    topic.waiting.delete(topic.next)
    if (message.tKnownNs > topic.tKnownNs) topic.tKnownNs = message.tKnownNs
    say(message)
  }
  if (topic.hole && topic.next > topic.hole.to) topic.hole = null
  if (topic.waiting.size && !topic.hole) askHole(name, topic, Math.min(...topic.waiting.keys()) - 1)
}

function begin(name, next, tKnownNs) {
  const topic = { next, tKnownNs, waiting: new Map(), hole: null }
  topics.set(name, topic)
  return topic
}

function take(message) {
  let topic = topics.get(message.topic) ?? begin(message.topic, message.seq, message.tKnownNs)
  const held = topic.waiting.get(message.seq)
  if (message.seq < topic.next || held) {
    if (message.replayed || message.tKnownNs <= (held ?? topic).tKnownNs) {
      count.duplicates++
      return
    }
    // a smaller number for something later: the engine has started again without memory
    topic = begin(message.topic, message.seq, topic.tKnownNs)
  }
  topic.waiting.set(message.seq, message)
  release(message.topic, topic)
}

// "Heartbeat": the highest number of each topic that changed.
function hear(heartbeat) {
  const site = heartbeat.topic.split("/")[0]
  for (const [rest, highest] of Object.entries(heartbeat.payload.topics)) {
    const name = `${site}/${rest}`
    if (!name.startsWith(prefix)) continue
    const last = Number(highest)
    const topic = topics.get(name) ?? begin(name, last, 0n) // its only message so far got lost
    if (last >= topic.next && !topic.waiting.size && !topic.hole) askHole(name, topic, last)
  }
}

function decode(topic, header, payload) {
  const message = readLive(Buffer.from(topic), Buffer.from(header), Buffer.from(payload))
  if (!message) count.damaged++
  return message
}

function arrived(frames) {
  const message = frames.length === 3 ? decode(...frames) : null
  if (!message) return
  if (queue) queue.push(message)
  else sort(message)
}

function sort(message) {
  if (message.topic.endsWith("/-/-/-/heartbeat/")) hear(message)
  else take(message)
}

function joined(answer) {
  for (const [topic, header, payload] of answer.items) {
    const message = decode(topic, header, payload)
    if (!message) continue
    if (!queue) {
      take(message) // joined before: what was said while the connection was down is a hole
      continue
    }
    // the last word of each topic; of alarms, of each that stands: what lies between is history
    begin(message.topic, message.seq + 1, message.tKnownNs)
    say(message)
  }
  if (answer.more) {
    joining = { ...joining, after: answer.items.at(-1)[0], at: 0 }
    return
  }
  joining = null
  if (!queue) return
  const waiting = queue
  queue = null
  console.error("subscriber: ready")
  waiting.forEach(sort)
}

function answered(answer) {
  if (joining && answer.id === joining.id) {
    if (answer.type === "SNAPSHOT_OK") return joined(answer)
    console.error(`subscriber: ${answer.message}`) // no right to read this
    process.exit(1)
  }
  const [name, topic] = [...topics].find(([, each]) => each.hole?.id === answer.id) ?? []
  if (!topic) return
  for (const [header, payload] of answer.items ?? []) {
    const message = decode(name, header, payload)
    if (message) take(message)
  }
  if (topic.hole?.id !== answer.id) return // filled
  const { to } = topic.hole
  if (answer.more) {
    topic.hole = null
    askHole(name, topic, to)
  } else if (to !== NEWEST && (answer.type === "ERR" || Number(answer.newest) < to)) {
    // an engine before this one has said what this one will say again when it has the samples
    if (!topic.waiting.size) topic.hole = null
  } else {
    skip(name, topic)
  }
}

// Ask what has got lost, again; a hole that nobody fills is given up. Who is not there has not refused.
function askAgain() {
  if (!connected) return
  const now = Date.now()
  if (joining && now - joining.at > ASK_MS) {
    joining.at = now
    request("SNAPSHOT", { id: joining.id, prefix, after: joining.after })
  }
  for (const [name, topic] of topics) {
    if (!topic.hole || now - topic.hole.at < ASK_MS) continue
    if (topic.hole.tries < TRIES) askHole(name, topic, topic.hole.to)
    else skip(name, topic)
  }
}

function finish() {
  console.error(`subscriber: ${Object.entries(count).map(([name, n]) => `${n} ${name}`).join(", ")}`)
  process.exit(0)
}

live.events.on("disconnect", () => (connected = false))
live.events.on("handshake", () => {
  connected = true
  joining ??= { id: `join ${++lastId}`, after: "", at: 0 }
  for (const [name, topic] of topics) {
    if (topic.hole) Object.assign(topic.hole, { at: 0, tries: 0 })
    // a snapshot has the alarms that stand, and not that one has ended
    else if (name.endsWith("/alarm/")) askHole(name, topic, NEWEST)
  }
})
process.on("SIGINT", finish).on("SIGTERM", finish)
live.connect(asked.live) // now that its events are heard
control.connect(asked.control)
setInterval(() => {
  askAgain()
  if (asked.quiet && Date.now() - heardAt > 1000 * Number(asked.quiet)) finish()
}, 50)
const listen = async () => {
  for await (const frames of live) arrived(frames)
}
const listenForAnswers = async () => {
  for await (const [message] of control) if (isMap(message)) answered(unpack(message))
}
await Promise.all([listen(), listenForAnswers()])
