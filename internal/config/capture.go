package config

// Capture says whether programs that bind their own port get the master's sockets.
type Capture string

// The choices.
const (
	CaptureAuto Capture = "auto" // they do, where the kernel can do it
	CaptureOff  Capture = "off"  // their binds are their own affair
)

// Rescue says whose idle connections outlive a worker that is stopped.
type Rescue string

// The choices.
const (
	RescueOff Rescue = "off" // nobody's
	// those of clients on this host: a relay serves their next request, from their own address
	RescueLocal Rescue = "local"
	RescueOn    Rescue = "on" // all: the app sees requests from outside come from an address of this host
)

// Balance is how the workers share the addresses that their programs bind.
type Balance string

// The choices.
const (
	// BalanceAuto is BalanceEven where it can be, on TCP, and BalanceShared elsewhere.
	BalanceAuto Balance = "auto"
	// BalanceShared: one socket, on which all workers accept.
	BalanceShared Balance = "shared"
	// BalanceEven: a socket a worker. New connections are spread evenly over those that
	// serve, and a worker that leaves gets none.
	BalanceEven Balance = "even"
	// BalanceSticky: a socket a worker, as with BalanceEven, and the address of a client
	// says which slot serves it.
	BalanceSticky Balance = "sticky"
)
