package launch

import (
	"os"
	"strings"
)

// Keeper keeps files for the next master, if this one is killed.
type Keeper interface {
	Keep(name string, file *os.File)
	Drop(name string)
}

const connectionFile = "connection."

// OwnsFile says whether a name is one of a file that a Launcher's Keeper was given.
func OwnsFile(name string) bool { return strings.HasPrefix(name, connectionFile) }

// MaxKept is how many connections the Keeper has at most. Those beyond it end with a master
// that is killed.
const MaxKept = 512
