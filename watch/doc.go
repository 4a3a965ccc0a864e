// Package watch turns changes of files into one debounced "changed". It is the
// only importer of fsnotify.
//
// # One executable
//
// File watches one path. Its rule: events are hints, the truth is stat and
// sha256. A hint starts a quiet period; when that is over the path is resolved
// anew, and only bytes that nobody is writing any more, and that differ from
// the last ones, become a Change. How the file was replaced (written in place,
// renamed over, behind a symbolic link that moved, in a directory that was
// swapped) makes no difference, and neither does a touch.
//
// # Which directories are watched
//
// A path is looked up one component after the other, symbolic links included,
// and that decides what is watched (inotify reports on an inode, not on a path):
//
//   - each directory that holds a symbolic link met on the way, the file, or the
//     first component that is missing;
//   - each directory on the way itself, because its being moved is told to it
//     and not to what lies below. Directories directly under / and mount points
//     are taken as fixed: a watch there would report every file of a busy /tmp;
//   - the file itself, which may be written through a hard link or a bind mount.
//
// All of them are looked at again after each hint, and watched before they are
// looked at, so that no change falls between the two.
//
// # When files are polled
//
// As long as events can be trusted nothing is polled and an idle watch never
// wakes up; other files in a watched directory cost a glance at their names.
// The path is polled, every two seconds, when a file system on the
// way has no events for changes made elsewhere (NFS, SMB, 9p, FUSE and the
// like), when a watch cannot be added (no permission, the limits of
// fs.inotify), and on platforms other than Linux. The log says so and why.
// Options.Poll overrides the choice. Not seen without polling: a mount or
// unmount on the way, and a change made below an overlay file system.
//
// # A tree
//
// Tree watches the files that patterns name (Set). Directories that hold none of
// them, or that ignore files or custom rule out, are not entered and cost no watch.
// A symbolic link counts as what it leads to: files and directories are watched where they
// are, and change under the link's path. A link to a directory on its own way is not entered.
// What was touched is looked at when all has been quiet, and while git holds the
// lock of an index it is not quiet; a change is a file whose hash differs from the
// one known. After an overflow of the kernel's queue everything is looked at. A
// directory is watched before it is read, so nothing falls between the two. What is
// not seen: a rename of a directory above the one that a pattern begins at. Where
// the limits of inotify are reached, and on file systems without events, the tree is
// polled, so that a look takes a twentieth of the time at most, and the log says so.
//
// # Unfinished files
//
// A read lease (F_SETLEASE) is refused by the kernel while anyone has the file
// open for writing, so that the pauses of a slow copy deceive nobody. Leases
// are for the file's owner and for CAP_LEASE; elsewhere the file must stay the
// same for 250 ms, and for Options.QuietMax if it is an ELF file that ends
// before its own tables say.
package watch
