/* SPDX-License-Identifier: MIT */
/* A vmclock's page in the guest's own memory: vm.py's RESERVED. */
DefinitionBlock ("", "SSDT", 2, "PCLOCK", "VMCLOCK", 1)
{
	Device (\_SB.VCLK)
	{
		Name (_HID, "AMZNC10C")
		Name (_CID, "VMCLOCK")
		Name (_DDN, "VMCLOCK")
		Name (_CRS, ResourceTemplate ()
		{
			QWordMemory (ResourceConsumer, PosDecode, MinFixed,
				MaxFixed, Cacheable, ReadWrite,
				0, 0x0fd00000, 0x0fd00fff, 0, 0x1000)
		})
	}
}
