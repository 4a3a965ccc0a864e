// Package ask puts the question of a health check to one worker.
package ask
