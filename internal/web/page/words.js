// Numbers and events as words.

export const number = n => n == null ? '' : Number(n).toLocaleString('en')
export const percent = p => p == null || p < 0 ? '' : p.toFixed(1) + ' %'

export function bytes(n) {
  if (!n || n < 0) return ''
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB']
  let u = 0
  for (; n >= 1024 && u < 4; u++) n /= 1024
  return (n < 10 && u ? n.toFixed(1) : Math.round(n)) + ' ' + units[u]
}

// since is a time in milliseconds.
export function since(ms) {
  const s = Math.max(0, Math.round(ms / 1000))
  if (s < 60) return s + ' s'
  if (s < 3600) return `${Math.floor(s / 60)} min ${s % 60} s`
  if (s < 86400) return `${Math.floor(s / 3600)} h ${Math.floor(s % 3600 / 60)} min`
  return `${Math.floor(s / 86400)} d ${Math.floor(s % 86400 / 3600)} h`
}

const steps = {
  asked: () => 'a roll was asked for',
  began: e => `roll to generation ${e.generation || e.to} begins`,
  probation: e => `the canary is on probation${e.after_ms ? ' for ' + since(e.after_ms) : ''}`,
  canary: () => 'the canary has passed',
  replaced: e => `${e.done} of ${e.of} replaced`,
  reverting: () => 'the roll failed: it goes back',
  reverted: e => `slot ${e.slot ?? ''} is back on the old generation`,
  superseded: () => 'another roll takes over',
  ended: e => `the roll ended: ${e.result}`,
}

const kinds = {
  started: 'the app began to serve', startfailed: 'the app could not start', stopped: 'the app has ended',
  fork: 'starts', online: 'its program runs', captured: 'got a socket of the master', listening: 'listens', ready: 'is ready',
  draining: 'drains', drained: 'has drained', stopping: 'is asked to end', killing: 'is killed',
  disconnect: 'has closed its channel', abandoned: 'did not end after SIGKILL', hung: 'hung, and is replaced',
  recycle: 'is replaced', unhealthy: 'fails its health check', healthy: 'is healthy again',
  flood: 'wrote more than relevo reads', healed: 'a listener was damaged, and is repaired', adopted: 'was taken over',
  succession: 'another master took over', sleep: 'the app goes to sleep', wake: 'the app wakes',
}

export function eventText(e) {
  const who = e.slot == null ? '' : `slot ${e.slot}${e.pid ? ', pid ' + e.pid : ''}: `
  let what = kinds[e.event] ?? e.event
  if (e.event === 'roll') what = steps[e.step]?.(e) ?? e.step
  if (e.event === 'exit') what = e.signal ? 'ended by ' + e.signal : 'ended with code ' + (e.code ?? '?')
  if (e.event === 'exit' && e.planned === false) what += ', unasked'
  if (e.event === 'resize') what = `from ${e.from} to ${e.to} workers`
  if (e.event === 'respawn') what = 'the next worker is due' + (e.after_ms ? ' in ' + since(e.after_ms) : '')
  if (e.event === 'lost') what = `${e.count} events were too many for this page`
  const more = [e.reason, e.text, e.hint].filter(Boolean).join('; ')
  if (e.times > 1) what += `, ${e.times} times until ${new Date(e.last).toTimeString().slice(0, 8)}`
  return (e.event === 'roll' ? '' : who) + what + (more ? ': ' + more : '')
}
