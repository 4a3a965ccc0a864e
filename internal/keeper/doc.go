// Package keeper has systemd keep what the next master needs if this one dies: every file in
// systemd's store (FDSTORE=1, see sd_pid_notify_with_fds(3)). One of the files is the state, a
// document in memory that is written in place.
//
//	before Begin    Keep, Drop ──► a list: systemd listens to the unit's main process alone
//	Begin           what is not on the list leaves the store; the list ──► systemd
//	after Begin     Keep, Drop, Save ──► systemd, the document
//	Retain          the listeners stay for a restart, all else leaves the store
package keeper
