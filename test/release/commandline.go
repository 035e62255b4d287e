// SPDX-License-Identifier: LGPL-2.1-or-later

package release

import (
	"cmp"
	"fmt"
	"strings"
)

// Style is how a kernel command line names the core image and its root hash.
type Style string

const (
	// StyleCLIPOS has the parameters of CLIP OS's own dracut module.
	StyleCLIPOS Style = "clipos"
	// StyleSystemd has those of systemd-veritysetup-generator(8).
	StyleSystemd Style = "systemd"
)

// commandLine writes the command line of a release whose core image is v.
func commandLine(o Options, v Verity) string {
	volume := cmp.Or(o.Wrong.Volume, "core_"+o.Version)
	v.RootHash = cmp.Or(o.Wrong.RootHash, v.RootHash)
	var words []string
	if o.Style == StyleSystemd {
		words = systemdWords(o.Group, volume, v)
	} else {
		words = clipOSWords(o, volume, v)
	}
	if also := o.Wrong.AlsoRootHash; also != "" {
		words = append(words, rootHashParameter(o.Style)+also)
	}
	return strings.Join(words, " ")
}

func rootHashParameter(s Style) string {
	if s == StyleSystemd {
		return "roothash="
	}
	return "rd.verity.roothash="
}

// clipOSWords are in CLIP OS's order, with a few of the parameters that follow
// there, so that a reader has something to skip.
func clipOSWords(o Options, volume string, v Verity) []string {
	words := []string{
		"root=/dev/mapper/verity_" + volume, "rootfstype=" + string(o.FileSystem), "rootflags=ro",
		"rd.lvm.vg=" + o.Group,
		"rd.verity.device=/dev/" + o.Group + "/" + volume,
		"rd.verity.name=verity_" + volume,
		"rd.verity.roothash=" + v.RootHash,
		fmt.Sprintf("rd.verity.hashoffset=%d", v.HashOffset),
	}
	if v.ErrorCorrectionOffset != 0 {
		words = append(words, fmt.Sprintf("rd.verity.fecoffset=%d", v.ErrorCorrectionOffset))
	}
	if o.Parameters != nil {
		return append(words, o.Parameters...)
	}
	return append(words, "slub_debug=F", "extra_latent_entropy", "iommu=force", "pti=on", "mds=full,nosmt")
}

func systemdWords(group, volume string, v Verity) []string {
	device := "/dev/" + group + "/" + volume
	options := fmt.Sprintf("hash-offset=%d,panic-on-corruption", v.HashOffset)
	if v.ErrorCorrectionOffset != 0 {
		options += fmt.Sprintf(",fec-device=%s,fec-offset=%d", device, v.ErrorCorrectionOffset)
	}
	return []string{
		"root=/dev/mapper/root", "ro",
		"roothash=" + v.RootHash,
		"systemd.verity_root_data=" + device,
		"systemd.verity_root_hash=" + device,
		"systemd.verity_root_options=" + options,
	}
}
