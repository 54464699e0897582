// The bytes of docs/protocol.md that a gateway and a subscriber share.

import { readFileSync } from "node:fs"
import { crc32 } from "node:zlib"
import { Decoder, Encoder, decodeMulti } from "@msgpack/msgpack"

// integers beyond 2^53 are bigints, smaller ones numbers
const options = { useBigInt64: true }
const encoder = new Encoder(options)
const decoder = new Decoder(options)

export const pack = (type, fields) => Buffer.from(encoder.encode({ type, ...fields }))
export const unpack = (message) => decoder.decode(message)
export const isMap = (message) => (message[0] & 0xf0) === 0x80 || message[0] === 0xde || message[0] === 0xdf

const HEADER = 64
const RESEND = 16
export const KIND = { DATA: 1, GAP: 2, END: 3 }

// Spell a record of f32 samples. "Records"
export function spellRecord(record, session, handle, nChannels) {
  const n = record.kind === KIND.DATA ? record.n : 0
  const size = n * nChannels * 4
  const bytes = Buffer.alloc(HEADER + Math.ceil(size / 8) * 8)
  bytes.write("VCD1")
  bytes[4] = record.kind
  bytes[5] = record.sent ? RESEND : 0
  bytes.writeUInt16LE(HEADER, 6)
  bytes.writeBigUInt64LE(session, 8)
  bytes.writeUInt32LE(handle, 16)
  bytes.writeUInt32LE(n, 20)
  bytes.writeBigUInt64LE(BigInt(record.seq), 24)
  bytes.writeBigUInt64LE(BigInt(record.kind === KIND.GAP ? record.index + record.n : record.index), 32)
  bytes.writeBigInt64LE(record.t0Ns, 40)
  bytes.writeUInt16LE(nChannels, 48)
  bytes[50] = 3
  bytes.writeUInt32LE(size, 52)
  for (let i = 0; i < n * nChannels; i++) bytes.writeFloatLE(record.values[i], HEADER + 4 * i)
  bytes.writeUInt32LE(crc32(bytes.subarray(HEADER, HEADER + size), crc32(bytes.subarray(0, 56))), 56)
  return bytes
}

// Read the acknowledgements of a message. "Acknowledgements"
export function* acknowledgements(message) {
  for (let at = 0; message.length - at >= 40 && message.toString("latin1", at, at + 4) === "VCA1"; ) {
    yield {
      code: message[at + 5],
      session: message.readBigUInt64LE(at + 8),
      stream: message.readUInt32LE(at + 16),
      creditRecords: message.readUInt32LE(at + 20),
      nextSeq: Number(message.readBigUInt64LE(at + 24)),
      creditBytes: message.readUInt32LE(at + 32),
    }
    const length = message.readUInt16LE(at + 6)
    if (length < 40) return
    at += length
  }
}

const REPLAYED = 2

// Read the frames of a live message; null if they are damaged. "Live"
export function readLive(topic, header, payload) {
  if (header.length < 56 || header.toString("latin1", 0, 4) !== "VCO1") return null
  if (header.readUInt16LE(6) !== header.length || header.readUInt32LE(48) !== payload.length) return null
  if (crc32(payload, crc32(header.subarray(0, 52))) !== header.readUInt32LE(52)) return null
  const message = {
    topic: topic.toString(),
    seq: Number(header.readBigUInt64LE(8)),
    replayed: (header[5] & REPLAYED) !== 0,
    backfill: (header[5] & 1) !== 0,
    index: Number(header.readBigUInt64LE(16)),
    tEventNs: header.readBigInt64LE(24),
    tKnownNs: header.readBigInt64LE(32),
    tPubNs: header.readBigInt64LE(40),
  }
  if (!message.topic.endsWith("/wave/")) return { ...message, payload: decoder.decode(payload) }
  const { value } = decodeMulti(payload, options).next() // a map, then raw samples
  const count = value.n * value.channels.length
  const samples = Array.from({ length: count }, (_, i) => payload.readFloatLE(payload.length - 4 * (count - i)))
  return { ...message, payload: value, samples }
}

// Give a socket the keys of a file of `vitalcore keys`. "Security"
export function useKeys(socket, file, serverKey) {
  const secret = /^secret = "(.{40})"/m.exec(readFileSync(file, "ascii"))?.[1]
  const own = /^public = "(.{40})"/m.exec(readFileSync(file, "ascii"))?.[1]
  if (!secret || !own) throw new Error(`${file} holds no key pair`)
  socket.curveServerKey = serverKey
  socket.curvePublicKey = own
  socket.curveSecretKey = secret
}
