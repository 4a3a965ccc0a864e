// Package cli is the command line of relevo-fleet: parse, call, print.
package cli
