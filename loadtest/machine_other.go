//go:build !linux

package loadtest

// readMachineTime knows nothing: most systems do not tell without C.
func readMachineTime() machineTime { return machineTime{} }
