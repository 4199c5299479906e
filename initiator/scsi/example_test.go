package scsi_test

import (
	"fmt"

	"github.com/iscsifs/iscsifs/initiator/scsi"
)

// A command that ended with CHECK CONDITION: what does the target say, and what is
// to be done?
func ExampleClassify() {
	data := []byte{0x70, 0, 0x07, 0, 0, 0, 0, 10, 0, 0, 0, 0, 0x27, 0x07, 0, 0, 0, 0}
	sense, err := scsi.ParseSense(data)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(sense)
	fmt.Println(scsi.Classify(scsi.CheckCondition, sense))
	// Output:
	// DATA PROTECT, 27/07: space allocation failed write protect
	// space exhausted
}
