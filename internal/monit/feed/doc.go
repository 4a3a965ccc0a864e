// Package feed is what relevo monit looks at: it asks the masters of this machine, reads the
// log files of the chosen app, and carries out requests.
package feed
