// Package proxy is the reverse proxy of development mode. A browser that talks
// to the app through it reloads its pages when there is a new version, swaps
// stylesheets without a reload, and shows what is broken over the page.
//
// It knows nobody: whoever builds and rolls the app tells it what happened, by
// Reload, Fail and Clear, and a tool outside may POST to /__relevo/reload.
//
// # What it changes
//
// Only documents: answers with text/html to requests that a browser makes to
// show a page. Their head gets one script element, found by a scan that holds
// back six bytes at most, so that streamed pages stay streamed. The script takes
// itself out of the page again. With it change the headers that would be wrong
// about the longer body (Content-Length, digests, byte ranges; the ETag becomes a
// weak one of its own and is translated back in the next request), and, where the
// page has a Content-Security-Policy, what the script needs is added to it: the
// page's own nonce is used where there is one, and no policy gets wider than one
// path of this proxy. Documents are asked for uncompressed.
//
// Everything else passes as it came, flushed at once: WebSockets, server-sent
// events, HTTP/2 without TLS where client and app both speak it, ranges,
// trailers, 1xx answers, bodies of any size in both directions.
//
// # Connections
//
// Each request has a connection of its own to the app. A kept one would lead to
// the worker that is being replaced: to an answer of the old version after the
// page has reloaded, or to a form post lost in its last moment. For the same
// reason nothing is ever sent twice: a request waits while nobody listens, and
// what was sent and lost is answered with an error.
//
// # What a page learns
//
// There are no events that could be missed. A page gets the whole state: who
// runs, how often pages and styles have changed, what is broken. It compares that
// with the state its document was asked under, which stands in its script
// element. One page of a browser holds the stream for all (a browser has six
// connections for a server) and hands on what it reads; where it cannot, each
// visible page holds one.
package proxy
