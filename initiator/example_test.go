package initiator_test

import (
	"context"
	"fmt"
	"log"
	"time"

	"github.com/iscsifs/iscsifs/initiator"
)

// Example reads the first block of every disk of a target.
func Example() {
	ctx := context.Background()
	session, err := initiator.Login(ctx, initiator.Config{
		InitiatorName: "iqn.2026-11.org.example:host1",
		TargetName:    "iqn.2026-11.org.example:backup",
		Portals:       []string{"192.0.2.7:3260", "192.0.2.8:3260"},
		// Byte 0 says that the rest was chosen at random; it is to be kept
		// between runs.
		ISID: [6]byte{0x80, 0x5f, 0x21, 0x9c, 0x00, 0x00},
		CHAP: &initiator.CHAP{Username: "host1", Secret: []byte("a secret of its own")},

		ReplacementTimeout: 2 * time.Minute,
	})
	if err != nil {
		log.Fatal(err)
	}
	defer session.Logout(ctx)

	luns, err := session.LUNs(ctx)
	if err != nil {
		log.Fatal(err)
	}
	for _, lun := range luns {
		disk, err := session.OpenDisk(ctx, lun)
		if err != nil {
			continue // no disk
		}
		block := make([]byte, disk.BlockSize())
		if _, err := disk.ReadAt(ctx, block, 0); err != nil {
			log.Fatal(err)
		}
		fmt.Printf("LUN %v: %d bytes, begins with %x\n", lun, disk.Size(), block[:16])
	}
}

// ExampleDiscover lists what a portal offers.
func ExampleDiscover() {
	targets, err := initiator.Discover(context.Background(), initiator.Config{
		InitiatorName: "iqn.2026-11.org.example:host1",
		Portals:       []string{"192.0.2.7:3260"},
		ISID:          [6]byte{0x80, 0x5f, 0x21, 0x9c, 0x80, 0x00},
	})
	if err != nil {
		log.Fatal(err)
	}
	for _, target := range targets {
		for _, portal := range target.Portals {
			fmt.Printf("%s,%d %s\n", portal.Address, portal.Tag, target.Name)
		}
	}
}
