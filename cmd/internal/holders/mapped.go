package holders

import (
	"strings"

	"github.com/iscsifs/iscsifs/cmd/internal/plain"
)

// mappedHolder says what a device of the device mapper is, by the prefix that its
// maker gives the UUID, and how it is freed.
func mappedHolder(name, uuid string) Holder {
	quoted := plain.Quoted(name)
	device := Holder{Kind: DeviceMapper, Name: "/dev/mapper/" + plain.Text(name)}
	maker, _, _ := strings.Cut(uuid, "-")
	switch {
	case maker == "LVM":
		group := volumeGroup(name)
		return Holder{Kind: VolumeGroup, Name: plain.Text(group), Command: "vgchange -an " + plain.Quoted(group)}
	case maker == "CRYPT":
		device.Command = "cryptsetup close " + quoted
	case maker == "mpath":
		device.Command = "multipath -f " + quoted
	default:
		device.Command = "dmsetup remove " + quoted
	}
	return device
}

// volumeGroup returns the group of a logical volume's name in the device mapper,
// GROUP-VOLUME or GROUP-VOLUME-LAYER, in which a hyphen of a name is doubled.
func volumeGroup(name string) string {
	var group strings.Builder
	for i := 0; i < len(name); i++ {
		if name[i] == '-' {
			if i+1 == len(name) || name[i+1] != '-' {
				break
			}
			i++
		}
		group.WriteByte(name[i])
	}
	return group.String()
}
