package launch

import (
	"errors"
	"fmt"
	"os"
	"os/user"
	"slices"
	"strconv"
)

// Account is the user that workers run as.
type Account struct {
	Name     string // a number where it has no other name
	UID, GID int
	Groups   []int // supplementary
	Home     string
}

// LookUpUser finds the user and group that workers run as. Each is a name or a number; a
// number needs no entry in passwd(5). It returns nil if both are empty. Without a group
// it uses the user's own. It is an error if this process may not become that user.
func LookUpUser(name, group string) (*Account, error) {
	if name == "" && group == "" {
		return nil, nil
	}
	a, err := lookUpAccount(name)
	if err == nil && group != "" {
		a.GID, err = lookUpGroup(group)
	}
	if err != nil {
		return nil, err
	}
	if uid := os.Geteuid(); uid != 0 {
		return nil, fmt.Errorf("cannot run workers as user %s: this is user %d and only root may change the user; "+
			"start relevo as root, or leave user and group out", a.Name, uid)
	}
	return a, nil
}

func lookUpAccount(name string) (*Account, error) {
	if name == "" {
		name = strconv.Itoa(os.Getuid())
	}
	entry, err := user.Lookup(name)
	number, notNumber := strconv.ParseUint(name, 10, 31)
	if err != nil && notNumber == nil {
		entry, err = user.LookupId(name)
		if unknown := user.UnknownUserIdError(0); errors.As(err, &unknown) {
			return &Account{Name: name, UID: int(number), GID: int(number), Home: "/"}, nil
		}
	}
	if err != nil {
		return nil, fmt.Errorf("cannot run workers as user %q: %w; create it, or correct the name", name, err)
	}
	a := &Account{Name: entry.Username, Home: entry.HomeDir}
	a.UID, _ = strconv.Atoi(entry.Uid)
	a.GID, _ = strconv.Atoi(entry.Gid)
	groups, err := entry.GroupIds()
	if err != nil {
		return nil, fmt.Errorf("cannot find the groups of user %q: %w", name, err)
	}
	for _, group := range groups {
		if id, err := strconv.Atoi(group); err == nil {
			a.Groups = append(a.Groups, id)
		}
	}
	slices.Sort(a.Groups)
	return a, nil
}

func lookUpGroup(name string) (int, error) {
	if id, err := strconv.ParseUint(name, 10, 31); err == nil {
		return int(id), nil
	}
	entry, err := user.LookupGroup(name)
	if err != nil {
		return 0, fmt.Errorf("cannot run workers as group %q: %w; create it, or correct the name", name, err)
	}
	return strconv.Atoi(entry.Gid)
}

// environ returns the variables that a login would set; none for a nil Account.
func (a *Account) environ() []string {
	if a == nil {
		return nil
	}
	return []string{"HOME=" + a.Home, "USER=" + a.Name, "LOGNAME=" + a.Name, "SHELL=/bin/sh"}
}
