package store

import (
	"encoding/binary"
	"errors"
	"slices"
)

// acl is a POSIX access control list (acl(5)) in the order of the extended attribute.
type acl []aclEntry

type aclEntry struct {
	Tag, Perm uint16
	ID        uint32 // of a user or group
}

// The tags and the version of the attribute (linux/posix_acl_xattr.h).
const (
	aclVersion                                                           = 2
	aclUserObj, aclUser, aclGroupObj, aclGroup, aclMask, aclOther uint16 = 0x01, 0x02, 0x04, 0x08, 0x10, 0x20
	aclNoID                                                       uint32 = 0xffffffff
	permExecute, permWrite, permRead                              uint16 = 1, 2, 4
	aclHeaderSize, aclEntrySize                                          = 4, 8
)

func parseACL(data []byte) (acl, error) {
	if len(data) == 0 {
		return nil, nil
	}
	if len(data) < aclHeaderSize || binary.LittleEndian.Uint32(data) != aclVersion ||
		(len(data)-aclHeaderSize)%aclEntrySize != 0 {
		return nil, errors.New("cannot read an access control list: it has an unknown form")
	}
	list := acl{}
	for data = data[aclHeaderSize:]; len(data) > 0; data = data[aclEntrySize:] {
		list = append(list, aclEntry{
			binary.LittleEndian.Uint16(data), binary.LittleEndian.Uint16(data[2:]), binary.LittleEndian.Uint32(data[4:]),
		})
	}
	return list, nil
}

func (l acl) bytes() []byte {
	if l == nil {
		return nil
	}
	data := binary.LittleEndian.AppendUint32(nil, aclVersion)
	for _, e := range l {
		data = binary.LittleEndian.AppendUint16(data, e.Tag)
		data = binary.LittleEndian.AppendUint16(data, e.Perm)
		data = binary.LittleEndian.AppendUint32(data, e.ID)
	}
	return data
}

func (l acl) equal(other acl) bool { return slices.Equal(l, other) }

// unwritable returns the list without any permission to write.
func (l acl) unwritable() acl {
	list := slices.Clone(l)
	for i := range list {
		list[i].Perm &^= permWrite
	}
	return list
}

// passage is the list of a directory that only its owner and one other user may enter. Only
// the owner may list it or change it.
func passage(uid int) acl {
	return acl{
		{aclUserObj, 7, aclNoID}, {aclUser, permExecute, uint32(uid)}, {aclGroupObj, 0, aclNoID},
		{aclMask, permExecute, aclNoID}, {aclOther, 0, aclNoID},
	}
}

// with returns the list with one more user, in the order that the kernel requires.
func (l acl) with(u aclEntry) acl {
	i := 1 // behind the owner
	for i < len(l) && l[i].Tag == aclUser && l[i].ID < u.ID {
		i++
	}
	return slices.Insert(slices.Clone(l), i, aclEntry{aclUser, u.Perm, u.ID})
}

// namedUsersOnly says whether only the owner and users with an entry of their own are let in.
func (l acl) namedUsersOnly() bool {
	return !slices.ContainsFunc(l, func(e aclEntry) bool {
		return (e.Tag == aclGroup || e.Tag == aclGroupObj || e.Tag == aclOther) && e.Perm != 0
	})
}

// user is the user and the groups of a process that wants to use a file.
type user struct {
	uid  int
	gids []int
}

// lets says whether the user has a permission on a file or a directory with these
// attributes. permExecute means to run a file, or to enter a directory.
func (a attributes) lets(u user, need uint16) bool {
	inGroup := func(gid int) bool { return slices.Contains(u.gids, gid) }
	switch bits := uint16(a.mode); {
	case u.uid == 0:
		return true
	case u.uid == a.uid:
		return bits>>6&need != 0
	case a.acl != nil:
		return a.acl.lets(u.uid, a.gid, inGroup, need)
	case inGroup(a.gid):
		return bits>>3&need != 0
	default:
		return bits&need != 0
	}
}

// lets is attributes.lets for users other than the owner. An entry of the user, or of one
// of its groups, decides alone, and the mask limits it.
func (l acl) lets(uid, owningGroup int, inGroup func(gid int) bool, need uint16) bool {
	mask, other := uint16(7), uint16(0)
	for _, e := range l {
		switch e.Tag {
		case aclMask:
			mask = e.Perm
		case aclOther:
			other = e.Perm
		}
	}
	member := false
	for _, e := range l {
		switch {
		case e.Tag == aclUser && e.ID == uint32(uid):
			return e.Perm&mask&need != 0
		case e.Tag == aclGroupObj && inGroup(owningGroup), e.Tag == aclGroup && inGroup(int(e.ID)):
			if member = true; e.Perm&mask&need != 0 {
				return true
			}
		}
	}
	return !member && other&need != 0
}
