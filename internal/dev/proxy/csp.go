package proxy

import (
	"slices"
	"strings"

	"relevo/internal/lazyregexp"
)

// policies are the values of Content-Security-Policy lines (CSP level 3). A line
// may hold several, and a page has to satisfy each of them.
type policies [][]directive

// directive is a name and its sources; text is its original form.
type directive struct {
	name    string
	sources []string
	text    string
}

func parsePolicies(lines []string) policies {
	var all policies
	for _, line := range lines {
		for text := range strings.SplitSeq(line, ",") {
			if p := parsePolicy(text); len(p) > 0 {
				all = append(all, p)
			}
		}
	}
	return all
}

func parsePolicy(text string) []directive {
	var p []directive
	for part := range strings.SplitSeq(text, ";") {
		fields := strings.Fields(part)
		if len(fields) > 0 {
			p = append(p, directive{strings.ToLower(fields[0]), fields[1:], strings.TrimSpace(part)})
		}
	}
	return p
}

// lines writes each policy as a header line of its own.
func (all policies) lines() []string {
	var lines []string
	for _, p := range all {
		var parts []string
		for _, d := range p {
			parts = append(parts, d.text)
		}
		lines = append(lines, strings.Join(parts, "; "))
	}
	return lines
}

// The directives that govern a script element and a connection. The first that is present counts.
var (
	scriptDirectives  = []string{"script-src-elem", "script-src", "default-src"}
	connectDirectives = []string{"connect-src", "default-src"}
)

// governing returns the index of the directive that counts; -1 if there is none, and everything is
// allowed.
func governing(p []directive, names []string) int {
	for _, name := range names {
		if i := slices.IndexFunc(p, func(d directive) bool { return d.name == name }); i >= 0 {
			return i
		}
	}
	return -1
}

var nonceSource = lazyregexp.New(`(?i)^'nonce-([A-Za-z0-9+/_-]+={0,2})'$`)

// nonce returns the first nonce that allows a script.
func (all policies) nonce() string {
	for _, p := range all {
		if i := governing(p, scriptDirectives); i >= 0 {
			for _, source := range p[i].sources {
				if found := nonceSource.FindStringSubmatch(source); found != nil {
					return found[1]
				}
			}
		}
	}
	return ""
}

// strictDynamic says whether a policy allows scripts by nonce only.
func (all policies) strictDynamic() bool {
	return slices.ContainsFunc(all, func(p []directive) bool {
		i := governing(p, scriptDirectives)
		return i >= 0 && p[i].has("'strict-dynamic'")
	})
}

func (d directive) has(source string) bool {
	return slices.ContainsFunc(d.sources, func(s string) bool { return strings.EqualFold(s, source) })
}

// admit allows the client's script by nonce or by path, and its connections by path. If inline
// scripts are allowed as such, it adds no nonce, because a nonce would forbid them.
func (all policies) admit(path, nonce string) {
	for i, p := range all {
		if at := governing(p, scriptDirectives); at >= 0 && !p[at].lets(nonce) {
			source := path
			if p[at].has("'strict-dynamic'") {
				source = "'nonce-" + nonce + "'"
			}
			p = add(p, at, "script-src-elem", source)
		}
		if at := governing(p, connectDirectives); at >= 0 && !p[at].lets("") {
			p = add(p, at, "connect-src", path)
		}
		all[i] = p
	}
}

// lets says whether the directive allows the script, or a connection to the page's own origin.
func (d directive) lets(nonce string) bool {
	if nonce != "" && slices.Contains(d.sources, "'nonce-"+nonce+"'") {
		return true
	}
	return !d.has("'strict-dynamic'") && (d.has("'self'") || d.has("*"))
}

// add adds a source to the directive at i. A default-src is copied to a narrower directive first,
// so that nothing else is allowed more.
func add(p []directive, at int, narrow, source string) []directive {
	d := p[at]
	sources := slices.DeleteFunc(slices.Clone(d.sources), func(s string) bool { return strings.EqualFold(s, "'none'") })
	sources = append(sources, source)
	p = slices.Clone(p)
	if d.name != "default-src" {
		p[at] = directive{d.name, sources, d.name + " " + strings.Join(sources, " ")}
		return p
	}
	return append(p, directive{narrow, sources, narrow + " " + strings.Join(sources, " ")})
}

var plainHost = lazyregexp.New(`^[A-Za-z0-9.-]+(:[0-9]+)?$`)

// pathSource is the source expression for the reserved path, as seen by a browser that asks for
// host. CSP cannot express IPv6 addresses: their pages get 'self'.
func pathSource(host string) string {
	if !plainHost.MatchString(host) {
		return "'self'"
	}
	return host + reserved
}
