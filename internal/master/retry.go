package master

import (
	"fmt"
	"time"

	"relevo/internal/announce"
)

// tryLater keeps a roll that the watch asked for and that was refused in mind: the
// reason, such as a full disk, may pass without any change of the file.
func (rs *rolls) tryLater(err error) {
	wait := rs.retry.Later(func() { rs.requestRoll("what was refused is tried again") })
	announce.Refused(rs.log, "roll refused: the running workers serve on", "err", err, "again", wait)
	rs.announcer.Warnings.Set(announce.WatchWarning, fmt.Sprintf("what changed is not rolled to: %v; tried again at %s",
		err, time.Now().Add(wait).Format(time.TimeOnly)))
}
