// Package conductor gives the turns of a deploy. One process at a time is the conductor of an app, by an
// election of etcd's: relevo-fleet conduct, which waits for deploys, or the command that has begun one, until
// its deploy is over. It decides by package plan, and measures all times by its own clock.
package conductor
