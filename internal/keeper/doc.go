// Package keeper has systemd keep what a later master needs if this one dies: every file in
// systemd's store (FDSTORE=1, see sd_pid_notify_with_fds(3)), and the state in a document in
// memory, which is one of them and is written in place.
//
//	before Begin    Keep, Drop ──► a list: systemd listens to the unit's main process alone
//	Begin           the list ──► systemd; what is not on it leaves the store
//	after Begin     Keep, Drop, Save ──► systemd, the document
//	Retain          the listeners stay for a restart, all else leaves the store
package keeper
