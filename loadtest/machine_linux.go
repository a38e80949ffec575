package loadtest

import (
	"os"
	"strconv"
	"strings"
)

// readMachineTime reads the first line of /proc/stat, which begins
//
//	cpu  user nice system idle iowait irq softirq steal guest guest_nice
//
// Of these, guest times are part of user and nice.
func readMachineTime() machineTime {
	content, err := os.ReadFile("/proc/stat")
	if err != nil {
		return machineTime{}
	}
	line, _, _ := strings.Cut(string(content), "\n")
	var t machineTime
	for i, field := range strings.Fields(line) {
		n, err := strconv.ParseFloat(field, 64)
		if i == 0 || i > 8 || err != nil {
			continue
		}
		t.total += n
		if i != 4 && i != 5 {
			t.busy += n
		}
	}
	return t
}
