package machine

// Blame says what a worker's end, or the failure of a roll, speaks against.
type Blame string

// The kinds of blame.
const (
	// NoBlame: a signal from outside ended the worker, or nothing tells why it ended.
	NoBlame Blame = ""
	// BlameProgram: the program exited or crashed by itself, or did not get ready.
	BlameProgram Blame = "program"
	// BlameMaster: the master could not start the worker, or not watch it start: it
	// or the machine has run out of something. Nothing is known of the program.
	BlameMaster Blame = "master"
	// BlameRequest: the roll was ended by request. Nothing is known of the program.
	BlameRequest Blame = "request"
)
