// Package terminal reads keystrokes one at a time, and leaves the terminal as it
// was found, however the program ends.
//
// The terminal is in cbreak mode while the program is in its foreground: keys come
// without Enter and are not shown, everything else, the output and Ctrl-C included,
// is as ever. The mode is taken back when the program ends or is stopped (Ctrl-Z);
// in the background nothing is read and nothing is set. For the ends that no program
// can handle, a panic or SIGKILL, there is a guard: a small process of its own that
// waits for the end of this one and then takes the mode back, if it is still there.
package terminal
