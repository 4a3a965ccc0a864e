package config

// Capture says whether programs that bind their own port get the master's sockets.
type Capture string

// The choices.
const (
	CaptureAuto Capture = "auto" // they do, if the kernel allows it
	CaptureOff  Capture = "off"  // they do not: each program binds its own socket
)

// Rescue says whose idle connections outlive a worker that is stopped.
type Rescue string

// The choices.
const (
	RescueOff Rescue = "off" // none
	// those of clients on this host: a relay serves their next request, from the client's own address
	RescueLocal Rescue = "local"
	RescueOn    Rescue = "on" // all: the app sees requests from outside come from an address of this host
)

// Balance is how the workers share the addresses that their programs bind.
type Balance string

// The choices.
const (
	// BalanceAuto is BalanceEven on TCP, if the kernel allows it, and otherwise BalanceShared.
	BalanceAuto Balance = "auto"
	// BalanceShared is one socket, on which all workers accept.
	BalanceShared Balance = "shared"
	// BalanceEven is a socket for each worker. New connections are spread evenly over the
	// workers that serve; a worker that leaves gets none.
	BalanceEven Balance = "even"
	// BalanceSticky is a socket for each worker, like BalanceEven. The address of a client
	// decides which slot serves it.
	BalanceSticky Balance = "sticky"
)
