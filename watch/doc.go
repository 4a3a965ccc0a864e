// Package watch reports changes of files, each change once and debounced. It is the only
// importer of fsnotify.
//
// # One executable
//
// File watches one path. Events are only hints; stat and sha256 decide. A hint starts a
// quiet period. When that is over, the path is looked up again. It is a Change if the bytes
// differ from the last ones and no process is writing them. It does not matter how the file
// was replaced: written in place, renamed over, behind a symbolic link that moved, or in a
// directory that was swapped. A touch is no Change.
//
// # Which directories are watched
//
// inotify reports on inodes, not on paths. So a path is looked up one component after
// another, symbolic links included, and this decides what is watched:
//
//   - each directory that holds a symbolic link met on the way, the file, or the
//     first component that is missing;
//   - each directory on the way itself, because only its own watch reports that it was
//     moved. Directories directly under / and mount points are not watched for that: a
//     watch there would report every file of a busy /tmp;
//   - the file itself, which may be written through a hard link or a bind mount.
//
// All of them are looked at again after each hint. They are watched before they are looked
// at, so that no change in between is missed.
//
// # When files are polled
//
// As long as events can be trusted, nothing is polled, and an idle watch never wakes up. An
// event of another file in a watched directory costs a comparison of names. The path is
// polled every two seconds if a file system on the way has no events for changes made
// elsewhere (NFS, SMB, 9p, FUSE and the like), if a watch cannot be added (no permission,
// the limits of fs.inotify), and on platforms other than Linux. The log says so, with the
// reason. Options.Poll overrides the choice. Without polling these changes are missed: a
// mount or unmount on the way, and a change below an overlay file system.
//
// # A tree
//
// Tree watches the files that patterns name (Set). It does not enter directories that hold
// none of them, or that ignore files or common practice exclude; these cost no watch. A
// symbolic link counts as what it leads to. Its target is watched, and reported under the
// link's path. A link to a directory that contains the link is not entered.
//
// Touched files are looked at after a quiet period. While git holds the lock of an index,
// the period does not end, unless that git seems to be dead. A file has changed if its hash
// has. After an overflow of the kernel's queue everything is looked at. A directory is
// watched before it is read, so that no change in between is missed. A rename of a directory
// above the base of a pattern is not seen. If the limits of inotify are reached, and on file
// systems without events, the tree is polled, and the log says so. The looks take a
// twentieth of the time at most.
//
// # Unfinished files
//
// A slow copy may pause for longer than a quiet period. So the kernel is asked for a read
// lease (F_SETLEASE), which it refuses while a process has the file open for writing. Only
// the file's owner, or a process with CAP_LEASE, may ask. Without a lease the file has to
// stay the same for 250 ms, or for Options.QuietMax if it is an ELF file that is shorter
// than its own tables say.
package watch
