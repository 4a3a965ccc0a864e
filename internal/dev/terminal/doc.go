// Package terminal reads keystrokes one at a time, and restores the terminal however
// the program ends.
//
// While the program is in the foreground, the terminal is in cbreak mode: keys arrive
// without Enter and are not echoed; output and Ctrl-C work as usual. The mode is
// restored when the program ends or is stopped (Ctrl-Z); in the background the program
// reads nothing and sets nothing. No program can handle its own panic or SIGKILL. For
// these there is a guard: a small process that waits for the end of this one and then
// restores the mode, if it is still in force.
package terminal
