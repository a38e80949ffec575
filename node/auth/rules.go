package auth

// Rules are [Permissions] made ready to be asked.
type Rules struct{}
