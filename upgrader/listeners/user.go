package listeners

// User is the user that a program runs as. What the master does with files for a program it
// does as that user, so that a program gets nothing by the master that the kernel would
// refuse it. A nil *User is this process's.
type User struct {
	UID    int   `json:"uid"`
	GID    int   `json:"gid"`
	Groups []int `json:"groups,omitempty"`
}
