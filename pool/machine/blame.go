package machine

// Blame says what caused a worker's end, or the failure of a roll.
type Blame string

// The kinds of blame.
const (
	// NoBlame: a signal from outside ended the worker, or the cause is unknown.
	NoBlame Blame = ""
	// BlameProgram: the program exited or crashed by itself, or did not get ready.
	BlameProgram Blame = "program"
	// BlameMaster: the master could not start the worker, or could not watch it start,
	// because it or the machine has run out of something. That says nothing about the
	// program.
	BlameMaster Blame = "master"
	// BlameRequest: the roll was ended by request. That says nothing about the program.
	BlameRequest Blame = "request"
)
