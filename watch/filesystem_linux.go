package watch

import "golang.org/x/sys/unix"

// eventsWork says whether this platform has file events that can be trusted.
const eventsWork = true

// silentFilesystem returns the name of path's file system if that does not report changes
// made elsewhere (on a server, on the host of a virtual machine). Such a file system also
// grants leases without knowing all writers. For other file systems it returns "". The
// numbers are those of statfs(2) and linux/magic.h.
func silentFilesystem(path string) string {
	var st unix.Statfs_t
	if unix.Statfs(path, &st) != nil {
		return ""
	}
	switch uint32(st.Type) {
	case 0x6969:
		return "nfs"
	case 0x517b, 0xfe534d42, 0xff534d42:
		return "smb"
	case 0x01021997:
		return "9p"
	case 0x65735546:
		return "fuse"
	case 0x00c36400:
		return "ceph"
	case 0x5346414f, 0x6b414653:
		return "afs"
	case 0x73757245:
		return "coda"
	case 0x564c:
		return "ncp"
	case 0x0bd00bd0:
		return "lustre"
	case 0x47504653:
		return "gpfs"
	case 0x7461636f:
		return "ocfs2"
	case 0x01161970:
		return "gfs2"
	case 0x786f4256:
		return "vboxsf"
	case 0xbacbacbc:
		return "vmhgfs"
	case 0x7c7c6673:
		return "prl_fs"
	case 0x9fa0:
		return "proc"
	case 0x62656572:
		return "sysfs"
	}
	return ""
}
