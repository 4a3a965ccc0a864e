// The page's side of relevo's development proxy. See doc.go of package proxy.
(() => {
  'use strict'
  const element = document.currentScript
  if (!element || window.__relevo) return
  const [instance, page, style, method, waiting] = element.dataset.relevo.split('.')
  const base = new URL('./', element.src)
  element.remove() // the page's own scripts find the document that the app sent
  Object.defineProperty(window, '__relevo', { value: true })
  try {
    // A frame reloads with the page around it, which shows the overlay as well.
    if (window.parent !== window && window.parent.__relevo) return
  } catch { /* a page of another origin: nobody else reloads this one */ }

  let seen = { instance, page: Number(page), style: Number(style) }
  let newest = {} // the stream, the answer to catchUp and other pages may overtake each other
  let shown = 0 // the failure that was shown last, closed or not
  let fresh = false // it was of the newest version at some time
  let stale = false // it has to be reloaded

  // ---- what to do about a state

  function apply(state) {
    if (stale || state.instance === newest.instance && state.serial < newest.serial) return
    newest = state
    if (state.instance !== seen.instance || state.page !== seen.page) return renew(state)
    if (state.style !== seen.style) {
      seen.style = state.style
      if (!swapStyles(state.style)) return renew(state)
    }
    fresh = true
    wait(!state.failure)
    if (!state.failure) return overlay.hide()
    if (state.trouble !== shown) {
      overlay.show(state.failure)
      shown = state.trouble
    }
  }

  // A document from the browser's cache may say again that it is old. It is
  // reloaded once for each state, not forever.
  function renew(state) {
    const key = 'relevo ' + location.pathname + location.search
    const value = [state.instance, state.page, state.style].join('.')
    try {
      if (sessionStorage.getItem(key) === value) {
        seen = state
        return apply(state)
      }
      sessionStorage.setItem(key, value)
    } catch { // no storage: only a page that was new once knows that it is old
      if (!fresh) {
        seen = state
        return apply(state)
      }
    }
    stale = true
    if (document.visibilityState === 'visible') reload()
  }

  function reload() {
    if (method === 'GET' || method === 'HEAD') return location.reload()
    // The answer to a form: the browser would ask whether to send it again.
    overlay.show({ title: 'The app has changed', problems: [], output: 'This page is the answer to a form. Reload it to send the form again.', reload: true })
  }

  // A page that waits for the app asks again by itself, since nobody may be
  // there to tell; while something is broken, it is there to be read.
  let timer
  function wait(on) {
    clearTimeout(timer)
    if (waiting && on) timer = setTimeout(() => location.reload(), 1000)
  }

  // false: the page has to be reloaded for its styles.
  const arriving = new Set()
  function swapStyles(version) {
    for (const link of arriving) link.remove()
    arriving.clear()
    const links = [...document.querySelectorAll('link[rel~="stylesheet"][href]')]
      .filter(link => new URL(link.href).origin === location.origin && !link.disabled)
    if (!links.length || links.some(link => link.integrity || imports(link))) return false
    for (const link of links) {
      const next = link.cloneNode()
      const url = new URL(link.href)
      url.searchParams.set('relevo', version)
      next.href = url
      arriving.add(next)
      next.onload = () => arriving.delete(next) && link.remove()
      next.onerror = () => arriving.delete(next) && next.remove()
      link.after(next)
    }
    return true
  }

  // What a stylesheet imports would come from the cache.
  function imports(link) {
    try {
      return [...link.sheet.cssRules].some(rule => rule instanceof CSSImportRule)
    } catch {
      return false
    }
  }

  // ---- the overlay

  const css = `
    :host { all: initial !important; display: contents !important }
    dialog { all: initial; position: fixed; inset: 0; box-sizing: border-box; width: min(60rem, calc(100vw - 2rem)); height: fit-content; outline: 0; max-height: calc(100vh - 4rem);
      margin: 2rem auto auto; overflow: auto; padding: 0; border-radius: 12px; border: 1px solid var(--line); border-top: 4px solid var(--red);
      color-scheme: light dark; --line: light-dark(#dde1e8, #343a46); --red: light-dark(#c8102e, #ff5d6c); --dim: light-dark(#5b6472, #9aa4b2);
      --code: light-dark(#f3f4f7, #14161b); --link: light-dark(#0b57d0, #8ab4f8);
      background: light-dark(#fff, #1d2027); color: light-dark(#1c2026, #e6e9ef); box-shadow: 0 20px 60px #0006;
      font: 15px/1.5 system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif }
    dialog:not([open]) { display: none }
    dialog::backdrop { background: #0f1218a6; backdrop-filter: blur(2px) }
    header { display: flex; gap: 1rem; align-items: baseline; padding: 1.1rem 1.4rem .4rem }
    h1 { flex: 1; margin: 0; font-size: 1.15rem; font-weight: 650; color: var(--red); overflow-wrap: anywhere }
    ol { list-style: none; margin: .4rem 0; padding: 0 1.4rem }
    li { padding: .5rem 0; border-top: 1px solid var(--line) }
    li:first-child { border-top: 0 }
    a, .place { font: 600 13px/1.5 ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; overflow-wrap: anywhere }
    a { color: var(--link); text-decoration: none } a:hover { text-decoration: underline }
    li p { margin: .1rem 0 0; white-space: pre-wrap; overflow-wrap: anywhere }
    pre { margin: .6rem 1.4rem; padding: .8rem 1rem; max-height: 45vh; overflow: auto; border-radius: 8px; background: var(--code);
      font: 13px/1.55 ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; white-space: pre-wrap; overflow-wrap: anywhere; tab-size: 4 }
    footer { display: flex; justify-content: space-between; gap: 1rem; padding: .4rem 1.4rem 1rem; color: var(--dim); font-size: 13px }
    button { all: unset; cursor: pointer; padding: .15rem .7rem; border-radius: 6px; border: 1px solid var(--line); font-size: 13px; color: inherit }
    button:hover { background: var(--code) } button:focus-visible, a:focus-visible { outline: 2px solid var(--link); outline-offset: 2px }
    kbd { font: inherit; border: 1px solid var(--line); border-radius: 4px; padding: 0 .35em }`

  const overlay = (() => {
    let host, dialog

    function make(name, text, ...children) {
      const made = document.createElement(name)
      if (text) made.textContent = text // never as markup: it is foreign text
      made.append(...children)
      return made
    }

    function button(text, act) {
      const made = make('button', text)
      made.type = 'button'
      made.onclick = act
      return made
    }

    function build() {
      host = document.createElement('relevo-overlay')
      const root = host.attachShadow({ mode: 'open' })
      const sheet = new CSSStyleSheet() // a policy on styles has no say in these
      sheet.replaceSync(css)
      root.adoptedStyleSheets = [sheet]
      dialog = make('dialog')
      dialog.tabIndex = -1
      root.append(dialog)
    }

    function place(problem) {
      if (!problem.link || !/^[a-z][a-z0-9+.-]*:/i.test(problem.link) || /^(javascript|data|vbscript|blob):/i.test(problem.link)) {
        const plain = make('span', problem.place)
        plain.className = 'place'
        return plain
      }
      const link = make('a', problem.place)
      link.href = problem.link
      link.title = 'Open in the editor'
      return link
    }

    function plainText(failure) {
      return [failure.title, ...failure.problems.map(p => [p.place, p.text].filter(Boolean).join(': ')), failure.output].filter(Boolean).join('\n')
    }

    async function copy(event, failure) {
      const by = event.currentTarget
      try {
        await navigator.clipboard.writeText(plainText(failure))
        by.textContent = 'Copied'
      } catch { // no secure origin: mark it for Ctrl+C
        getSelection().selectAllChildren(dialog)
        by.textContent = 'Press Ctrl+C'
      }
    }

    return {
      show(failure) {
        if (!host) build()
        const title = make('h1', failure.title || 'The app is broken')
        title.id = 'title'
        const act = failure.reload ? button('Reload', () => location.reload()) : button('Copy', event => copy(event, failure))
        const alert = make('section', '', make('header', '', title, act))
        alert.setAttribute('role', 'alert')
        if (failure.problems.length) {
          alert.append(make('ol', '', ...failure.problems.map(p => make('li', '', place(p), make('p', p.text)))))
        }
        if (failure.output) alert.append(make('pre', failure.output))
        const close = button('Close', () => dialog.close())
        const hint = make('span', '', make('kbd', 'Esc'), ' closes this. It goes away by itself when the app works again.')
        if (failure.reload) hint.replaceChildren(make('kbd', 'Esc'), ' keeps this page as it is.')
        dialog.replaceChildren(alert, make('footer', '', hint, close))
        dialog.setAttribute('aria-labelledby', 'title')
        if (!host.isConnected) document.documentElement.append(host)
        if (!dialog.open) {
          dialog.showModal()
          dialog.focus() // itself, not its first button
        }
        dialog.scrollTop = 0
      },
      hide() {
        if (!host) return
        if (dialog.open) dialog.close()
        host.remove()
      },
    }
  })()

  // ---- how states arrive

  let source, channel, release, retry

  function listen() {
    if (source) return
    source = new EventSource(new URL('events', base))
    source.onmessage = event => {
      const state = JSON.parse(event.data)
      channel?.postMessage(state)
      apply(state)
    }
    source.onerror = () => {
      if (source?.readyState !== EventSource.CLOSED) return // it tries again by itself
      unlisten()
      clearTimeout(retry)
      retry = setTimeout(() => listening && start(), 1000)
    }
  }

  function unlisten() {
    source?.close()
    source = undefined
  }

  function catchUp() {
    fetch(new URL('state', base), { cache: 'no-store' }).then(answer => answer.json()).then(apply).catch(() => { /* the stream will tell */ })
  }

  // One page listens for all: a browser has six connections for a server, and
  // the app needs them. Without locks (no secure origin) visible pages listen.
  let listening = false

  function start() {
    listening = true
    if (navigator.locks && window.BroadcastChannel) {
      if (!channel) {
        channel = new BroadcastChannel('relevo')
        channel.onmessage = event => apply(event.data)
      }
      catchUp()
      if (release) return listen()
      const ended = new AbortController()
      release = () => ended.abort()
      navigator.locks.request('relevo', { signal: ended.signal }, () => new Promise(done => {
        release = done
        listen()
      })).catch(error => error.name !== 'AbortError' && listen())
    } else if (document.visibilityState === 'visible') {
      listen()
    }
  }

  function stop() {
    listening = false
    unlisten()
    channel?.close()
    channel = undefined
    release?.()
    release = undefined
  }

  document.addEventListener('visibilitychange', () => {
    if (document.visibilityState === 'visible') {
      if (stale) return reload()
      if (channel) catchUp()
      else start()
    } else if (!channel) {
      stop()
    }
  })
  // A page that goes lets go; one that comes back from the history starts over.
  addEventListener('pagehide', stop)
  addEventListener('pageshow', event => event.persisted && start())
  start()
  wait(true)
})()
