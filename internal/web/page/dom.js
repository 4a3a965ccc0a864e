// The document: elements are kept for as long as what they show is there.

export function el(tag, name, ...children) {
  const e = document.createElement(tag)
  if (name) e.className = name
  e.append(...children)
  return e
}

export function text(e, value) {
  value = String(value)
  if (e.textContent !== value) e.textContent = value
}

// each makes the children of a list those of items, in their order: an element lives as long as its key.
export function each(list, items, key, make, draw) {
  const known = list.known ||= new Map(), there = new Set()
  let next = list.firstChild
  items.forEach((item, i) => {
    const k = key(item, i)
    let e = known.get(k)
    if (!e) known.set(k, e = make(item))
    there.add(k)
    if (e === next) next = next.nextSibling
    else list.insertBefore(e, next)
    draw(e, item)
  })
  for (const [k, e] of known) if (!there.has(k)) { known.delete(k); e.remove() }
}

export const words = (n, what) => `${n} ${what}${n === 1 ? '' : 's'}`
