package upgrader

// TakenWithin is how long a signal is waited for that no thread has taken.
const TakenWithin = takenWithin
