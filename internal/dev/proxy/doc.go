// Package proxy is the reverse proxy of development mode. A browser that talks
// to the app through it reloads its pages when there is a new version, swaps
// stylesheets without a reload, and shows failures over the page.
//
// The proxy builds and rolls nothing. Its user reports what happened by Reload, Fail
// and Clear; other tools may POST to /__relevo/reload.
//
// # What it changes
//
// Only documents: answers with text/html to requests that a browser makes to
// show a page. Their head gets one script element. The scan for its place holds
// back six bytes at most, so that streamed pages stay streamed. The script removes
// its element from the page again. Headers that would be wrong about the longer body
// change with it (Content-Length, digests, byte ranges; the ETag becomes a weak one
// of the proxy and is translated back in the next request). If the page has a
// Content-Security-Policy, the policy is extended by what the script needs: it uses
// the page's own nonce if there is one, and no policy allows more than one additional
// path of this proxy. Documents are requested uncompressed.
//
// Everything else passes unchanged and is flushed at once: WebSockets, server-sent
// events, HTTP/2 without TLS if client and app both speak it, ranges,
// trailers, 1xx answers, bodies of any size in both directions.
//
// # Connections
//
// Each request has its own connection to the app. A kept connection would lead to
// the worker that is being replaced: to an answer of the old version after the
// page has reloaded, or to a form post that is lost in the worker's last moment. For
// the same reason nothing is ever sent twice: a request waits while nothing listens,
// and a request that was sent and lost is answered with an error.
//
// # What a page learns
//
// A page cannot miss an event, because it always gets the whole state: the proxy's
// instance, how often pages and styles have changed, the current failure. It compares
// that with the state at the time its document was requested, which is written in its
// script element. One page of a browser reads the stream for all of them (a browser
// has six connections for a server) and passes it on; where that is not possible, each
// visible page reads one.
package proxy
