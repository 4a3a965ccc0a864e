package safefile

import (
	"os"
	"strconv"
	"strings"
)

// unmapped says whether a number stands for the users that have none in this user
// namespace (user_namespaces(7)). In the first namespace every user has one.
func unmapped(uid int) bool {
	overflow, err := os.ReadFile("/proc/sys/kernel/overflowuid")
	if err != nil || strings.TrimSpace(string(overflow)) != strconv.Itoa(uid) {
		return false
	}
	mapped, err := os.ReadFile("/proc/self/uid_map")
	return err == nil && strings.Join(strings.Fields(string(mapped)), " ") != "0 0 4294967295"
}
