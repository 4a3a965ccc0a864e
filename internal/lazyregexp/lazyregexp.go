// Package lazyregexp compiles regular expressions at their first use: a command uses few of them, and
// a master should not keep the others in memory.
// After Go's own internal/lazyregexp.
package lazyregexp

import (
	"regexp"
	"sync"
)

// Regexp is a regular expression. Its methods are those of regexp.Regexp; they panic
// if the expression is wrong.
type Regexp struct {
	compiled func() *regexp.Regexp
}

// New returns an expression that is compiled at its first use.
func New(expression string) *Regexp {
	return &Regexp{sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(expression) })}
}

// Match says whether text contains a match.
func (r *Regexp) Match(text []byte) bool { return r.compiled().Match(text) }

// MatchString says whether text contains a match.
func (r *Regexp) MatchString(text string) bool { return r.compiled().MatchString(text) }

// FindStringSubmatch returns the leftmost match and its groups.
func (r *Regexp) FindStringSubmatch(text string) []string {
	return r.compiled().FindStringSubmatch(text)
}

// ReplaceAllString replaces all matches.
func (r *Regexp) ReplaceAllString(text, by string) string {
	return r.compiled().ReplaceAllString(text, by)
}

// ReplaceAllStringFunc replaces each match by the result of by.
func (r *Regexp) ReplaceAllStringFunc(text string, by func(match string) string) string {
	return r.compiled().ReplaceAllStringFunc(text, by)
}

// FindString returns the leftmost match; empty: there is none, or it is empty.
func (r *Regexp) FindString(text string) string { return r.compiled().FindString(text) }

// FindStringIndex returns where the leftmost match begins and ends.
func (r *Regexp) FindStringIndex(text string) []int { return r.compiled().FindStringIndex(text) }

// FindAllString returns the first n matches; n < 0: all of them.
func (r *Regexp) FindAllString(text string, n int) []string {
	return r.compiled().FindAllString(text, n)
}

// FindAllStringSubmatch returns the first n matches and their groups; n < 0: all of them.
func (r *Regexp) FindAllStringSubmatch(text string, n int) [][]string {
	return r.compiled().FindAllStringSubmatch(text, n)
}

// FindSubmatch returns the leftmost match and its groups.
func (r *Regexp) FindSubmatch(text []byte) [][]byte { return r.compiled().FindSubmatch(text) }
