package upgrader

import _ "unsafe" // for go:linkname

// tableflipDir is a variable of tableflip: the working directory at the start of the
// process. New fails where it is empty, as in a directory that was deleted, and
// Upgrade changes to it, which fails where it is gone. A successor has the directory of
// its predecessor in any case.
//
//go:linkname tableflipDir github.com/cloudflare/tableflip.initialWD
var tableflipDir string
