// The page: it reads /v1/stream, and changes what is different. Nothing is written as HTML.
import {each, el, text, words} from './dom.js'
import {bytes, eventText, number, percent, since} from './words.js'

const $ = id => document.getElementById(id)
let token = sessionStorage.getItem('relevo-token') || ''
let chosen = '', mayAct = false, version = '', newest = null
let open = null // the AbortController of the stream; null: there is none
let pause = 500, again = 0
let broken = false // the problem that is shown is the stream's
let events = new Map() // of the chosen app: a stream that begins again tells again what is remembered

// The address: #token=… once, from relevo web --token; #app=NAME is the chosen app.
function readAddress() {
  const said = new URLSearchParams(location.hash.slice(1))
  if (said.has('token')) {
    keep(said.get('token'))
    said.delete('token')
    history.replaceState(null, '', said.size ? '#' + said : location.pathname)
  }
  return said.get('app') || ''
}

function keep(value) {
  token = value
  value ? sessionStorage.setItem('relevo-token', value) : sessionStorage.removeItem('relevo-token')
}

const headers = () => token ? {'Relevo-Token': token} : {}

// follow reads the stream until it ends, and begins again a little later.
async function follow() {
  clearTimeout(again)
  if (open) open.abort()
  if (document.hidden) {
    open = null
    return link('paused: nobody looks')
  }
  const mine = open = new AbortController()
  let quiet = 0
  const alive = () => { clearTimeout(quiet); quiet = setTimeout(() => mine.abort(), 15000) }
  try {
    alive()
    const query = chosen ? '?app=' + encodeURIComponent(chosen) : ''
    const response = await fetch('v1/stream' + query, {headers: headers(), signal: mine.signal, cache: 'no-store'})
    if (response.status === 401) return unauthorized((await response.json()).error)
    if (!response.ok) throw new Error((await response.json()).error)
    if (broken) problem('')
    broken = false
    await read(response.body, alive)
  } catch (e) {
    broken = mine === open && e.name !== 'AbortError' && e.name !== 'TypeError'
    if (broken) problem(e.message)
  } finally { clearTimeout(quiet) }
  if (mine !== open || !pause) return
  link('reconnecting…', true)
  again = setTimeout(follow, pause)
  pause = Math.min(pause * 2, 5000)
}

function unauthorized(why) {
  open = null
  const had = token
  keep('')
  problem(why)
  if (had) return follow() // perhaps one may look without it
  link('the token is needed', true)
  login()
}

async function read(body, alive) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader()
  for (let kept = ''; ;) {
    const {value, done} = await reader.read()
    if (done) return
    alive()
    const messages = (kept + value).split('\n\n')
    kept = messages.pop()
    for (const m of messages) {
      const [, kind, data] = m.match(/^event: (\w+)\ndata: (.*)$/) || []
      if (kind) take[kind]?.(JSON.parse(data))
    }
  }
}

const take = {
  hello(h) {
    if (version && version !== h.page) return location.reload() // relevo web is another one now
    version = h.page
    mayAct = h.act
    pause = 500
    text($('key'), h.act ? 'Forget the token' : 'Enter the token')
    if (h.act) problem('')
  },
  look(l) {
    newest = l
    link('live')
    draw()
  },
  event(e) { if (e.app === chosen) happened(e) },
}

function link(what, bad) {
  text($('link'), what)
  $('link').classList.toggle('bad', !!bad)
}

function problem(what) {
  text($('problem'), what)
  $('problem').hidden = !what
}

const say = what => text($('say'), what)

function draw() {
  const l = newest, wanted = $('filter').value.trim().toLowerCase()
  if (l.error) problem(l.error)
  const shown = l.apps.filter(a => a.name.toLowerCase().includes(wanted))
  text($('count'), words(l.apps.length, 'app') + (shown.length < l.apps.length ? ', ' + shown.length + ' shown' : ''))
  each($('apps'), shown, a => a.name, newRow, drawRow)
  $('none').hidden = shown.length > 0
  text($('none'), l.apps.length ? 'No name contains this.' : 'There is no app. relevo start NAME starts one.')
  if (!chosen && l.apps.length) return choose(l.apps[0].name, true)
  drawApp(l.app && l.app.name === chosen ? l.app : null, l)
}

function newRow() {
  const link = el('a', '', el('b'), el('span', 'state'), el('small'), el('small'))
  return el('li', '', link)
}

function drawRow(li, a) {
  const link = li.firstChild, [name, state, left, right] = link.children
  link.href = '#app=' + encodeURIComponent(a.name)
  a.name === chosen ? link.setAttribute('aria-current', 'true') : link.removeAttribute('aria-current')
  text(name, a.name)
  text(state, a.state)
  state.dataset.is = a.state
  const runs = a.slots > 0 || a.generation > 0
  text(left, runs ? `${a.ready} of ${words(a.slots, 'worker')}` + (a.warnings ? ', ' + words(a.warnings, 'warning') : '') : a.warnings ? 'see its last start' : '')
  text(right, runs ? [percent(a.cpu_percent), bytes(a.memory_bytes)].filter(Boolean).join(' · ') : '')
}

function drawApp(a, l) {
  const gone = chosen && !l.apps.some(x => x.name === chosen)
  text($('name'), chosen || 'No app is chosen')
  text($('state'), a ? a.state : gone ? 'is gone' : '')
  $('state').dataset.is = a ? a.state : ''
  document.title = (chosen ? chosen + ' ' + (a ? a.state : '') + ' · ' : '') + 'relevo'
  const runs = !!a && a.pid > 0
  $('actions').hidden = !runs || !mayAct
  $('readonly').hidden = !runs || mayAct
  for (const b of $('actions').children) if (b.dataset.when) b.hidden = !a || !a[b.dataset.when]
  const at = new Date(l.at)
  each($('facts'), !a ? [] : facts(a, at), ([k]) => k, () => el('div', '', el('dt'), el('dd')), (d, [k, v]) => {
    text(d.firstChild, k)
    text(d.lastChild, v)
  })
  each($('said'), a?.said || [], (s, i) => i, () => el('li'), text)
  drawRoll(a, at)
  drawSlots(a, at)
  drawSparks(a)
  each($('listeners'), a?.listeners || [], x => x.name + x.address, () => el('tr', '', el('td'), el('td'), el('td')), (tr, x) => {
    text(tr.children[0], x.address)
    text(tr.children[1], x.waiting == null ? '–' : number(x.waiting) + (x.limit ? ' of ' + number(x.limit) : ''))
    text(tr.children[2], x.dropped == null ? '–' : number(x.dropped))
  })
}

function facts(a, at) {
  return [
    ['workers', a.pid ? `${a.ready} of ${a.slots}` + (a.scale ? ` (${a.scale.min} to ${a.scale.max}` + (a.scale.fixed ? ', fixed)' : ')') : '') : ''],
    ['generation', a.generation], ['release', a.release], ['CPU', percent(a.cpu_percent)], ['memory', bytes(a.memory_bytes)],
    ['connections', a.connections], ['restarts', a.pid ? a.restarts : ''], ['up', a.started ? since(at - new Date(a.started)) : ''],
    ['next roll', a.next_roll ? new Date(a.next_roll).toLocaleString() : ''], ['master', a.pid ? 'pid ' + a.pid : ''], ['relevo', a.version],
  ].filter(([, v]) => v != null && v !== '')
}

function drawRoll(a, at) {
  const r = a?.last_roll, now = a?.rolling
  $('roll').hidden = !r && !now
  $('progress').hidden = !now
  let what = ''
  if (now) {
    what = `${now.replaced} of ${words(a.slots, 'worker')} replaced` + (now.release ? `, ${a.release || 'generation ' + a.generation} → ${now.release}` : '')
    $('progress').max = Math.max(a.slots, 1)
    $('progress').value = now.replaced
  } else if (r) {
    what = `Generation ${r.generation}: ${r.result}` + (r.automatic ? ', undone after crashes' : '') + ` ${since(at - new Date(r.ended))} ago`
    for (const more of [r.reason || r.exit, r.hint]) if (more) what += '. ' + more
  }
  text($('rollnow'), what)
  $('rollnow').classList.toggle('bad', !now && !!r && r.result !== 'ok')
  const c = a?.canary
  text($('canary'), c ? `Canary in slot ${c.slot}: on probation for ${since(new Date(c.until) - at)}` + (c.share ? ` with ${c.share} of the new connections` : '') : '')
  const tail = !now && r?.tail ? r.tail.join('\n') : ''
  text($('tail'), tail)
  $('tail').hidden = !tail
}

function drawSlots(a, at) {
  const slots = new Map()
  for (const w of a?.workers || []) slots.set(w.slot, [...slots.get(w.slot) || [], w])
  const rows = [...slots].sort((x, y) => x[0] - y[0])
  each($('slots'), rows, ([slot]) => String(slot), () => el('li', 'card', el('div', 'dim'), el('ul')), (li, [slot, workers]) => {
    text(li.firstChild, 'Slot ' + slot)
    workers.sort((x, y) => x.generation - y.generation)
    each(li.lastChild, workers, w => w.id || 'next', newWorker, (row, w) => drawWorker(row, w, at))
  })
}

const newWorker = () => el('li', '', el('span', 'gen'), el('span'), el('span', 'dim'), el('span', 'n'), el('span', 'why'), el('span', 'dim own'))

function drawWorker(row, w, at) {
  const [gen, pid, state, use, why, own] = row.children
  text(gen, 'g' + w.generation)
  const hue = `hsl(${w.generation * 137 % 360} 60% 28%)`
  if (gen.dataset.hue !== hue) gen.style.backgroundColor = gen.dataset.hue = hue
  row.dataset.state = w.state
  text(pid, [w.pid ? 'pid ' + w.pid : 'no worker', w.pid && w.release].filter(Boolean).join(' · '))
  let leaving = w.connections == null || w.state === 'serving' ? '' : ', ' + words(w.connections, 'connection') + ' left'
  if (w.until) leaving += ', ' + since(new Date(w.until) - at) + ' at most'
  text(state, w.state + leaving + (w.state === 'backoff' && w.retry ? ', next in ' + since(new Date(w.retry) - at) : ''))
  text(use, [w.connections != null && w.state === 'serving' ? number(w.connections) + ' open' : '', percent(w.cpu_percent), bytes(w.memory_bytes)].filter(Boolean).join(' · '))
  text(why, [w.healthy === false ? 'fails its health check' : '', w.exit && w.state !== 'serving' ? 'before: ' + w.exit : ''].filter(Boolean).join(' · '))
  why.hidden = !why.textContent
  text(own, w.text || '')
  own.hidden = !w.text
}

const sparks = [['cpu_percent', 'CPU', percent], ['memory_bytes', 'memory', bytes], ['connections', 'connections', number], ['waiting', 'waiting clients', number], ['dropped', 'dropped', number]]

function drawSparks(a) {
  const known = sparks.filter(([key]) => a?.history?.[key]?.some(v => v >= 0))
  each($('sparks'), known, ([key]) => key, newSpark, (li, [key, title, unit]) => {
    const values = a.history[key], seen = values.filter(v => v >= 0), top = Math.max(...seen, 1e-9), last = seen.at(-1)
    text(li.children[0], unit(last) || '0')
    text(li.children[1], title)
    const svg = li.children[2], points = values.map((v, i) => [120 - values.length + i, v]).filter(([, v]) => v >= 0)
    svg.firstChild.setAttribute('points', points.map(([x, v]) => `${x},${(29 - 28 * v / top).toFixed(1)}`).join(' '))
    svg.setAttribute('aria-label', `${title}: now ${unit(last) || '0'}, at most ${unit(Math.max(...seen)) || '0'}`)
  })
}

function newSpark() {
  const svg = document.createElementNS('http://www.w3.org/2000/svg', 'svg')
  svg.setAttribute('viewBox', '0 0 120 30')
  svg.setAttribute('preserveAspectRatio', 'none')
  svg.setAttribute('role', 'img')
  svg.append(document.createElementNS('http://www.w3.org/2000/svg', 'polyline'))
  return el('li', '', el('b'), el('span'), svg)
}

const maxEvents = 150 // more than a master remembers

const eventKey = e => [e.time, e.event, e.step, e.slot, e.id].join()

function happened(e) {
  const key = eventKey(e)
  if (events.has(key)) return
  const newestFirst = [[key, e], ...events].sort((a, b) => new Date(b[1].time) - new Date(a[1].time))
  events = new Map(newestFirst.slice(0, maxEvents))
  drawEvents()
  const now = newest && new Date(newest.at) - new Date(e.time) < 5000 // not of what is remembered
  if (now && ['roll', 'unhealthy', 'startfailed'].includes(e.event)) say(`${e.app}: ${eventText(e)}`)
}

function drawEvents() {
  each($('events'), [...events], ([key]) => key, () => el('li', '', el('time'), el('span')), (li, [, e]) => {
    const at = new Date(e.time), today = at.toDateString() === new Date().toDateString()
    text(li.firstChild, (today ? '' : at.toLocaleDateString() + ' ') + at.toTimeString().slice(0, 8))
    text(li.lastChild, eventText(e))
  })
}

function choose(name, quietly) {
  if (name === chosen) return
  chosen = name
  if (quietly) history.replaceState(null, '', '#app=' + encodeURIComponent(name))
  events = new Map()
  drawEvents()
  if (newest) draw()
  if (!quietly) say('shows ' + name)
  follow()
}

async function ask(question) {
  text($('sure-text'), question)
  $('sure').returnValue = 'no'
  $('sure').showModal()
  await new Promise(closed => $('sure').addEventListener('close', closed, {once: true}))
  return $('sure').returnValue === 'yes'
}

async function act(button) {
  const app = chosen, d = button.dataset
  if (d.ask && !await ask(`${app}: ${d.ask}`)) return
  say(`${app}: ${button.textContent}`)
  try {
    const response = await fetch(`v1/apps/${encodeURIComponent(app)}/${d.do}`, {
      method: 'POST', body: JSON.stringify({workers: d.workers}),
      headers: {...headers(), 'Content-Type': 'application/json'},
    })
    const said = await response.json()
    problem(said.error || '')
    if (said.done) say(said.done)
  } catch (e) { problem(`${app}: relevo web does not answer: ${e.message}`) }
}

async function login() {
  const d = $('login')
  if (d.open) return
  $('token').value = ''
  d.returnValue = 'no'
  d.showModal()
  $('token').focus()
  await new Promise(closed => d.addEventListener('close', closed, {once: true}))
  const given = $('token').value.trim().replace(/^.*#token=/, '') // of the whole address, too
  $('token').value = ''
  if (d.returnValue !== 'yes' || !given) return
  keep(given)
  pause = 500
  follow()
}

$('actions').addEventListener('click', e => { if (e.target.dataset.do) act(e.target) })
$('key').addEventListener('click', () => {
  if (!mayAct) return login()
  keep('')
  follow()
})
for (const id of ['login', 'sure']) for (const b of $(id).querySelectorAll('button')) b.addEventListener('click', () => { $(id).returnValue = b.value })
// Enter in the field uses the token: the first button of a form is what Enter presses.
$('token').addEventListener('keydown', e => {
  if (e.key !== 'Enter') return
  e.preventDefault()
  $('login').close('yes')
})
$('filter').addEventListener('input', () => { if (newest) draw() })
$('skip').addEventListener('click', e => { e.preventDefault(); $('main').focus() })
addEventListener('hashchange', () => {
  const held = token, name = readAddress()
  if (name && name !== chosen) return choose(name)
  if (held !== token) follow()
})
document.addEventListener('visibilitychange', () => { pause = 500; follow() })
chosen = readAddress()
follow()
