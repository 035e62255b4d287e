// SPDX-License-Identifier: LGPL-2.1-or-later

package dbusapi

import (
	"context"
	_ "embed"
	"fmt"
	"strings"

	"github.com/godbus/dbus/v5"
)

// description is the interface in the format of Introspect, with a comment for
// each member.
//
//go:embed org.clipos.Updater1.xml
var description string

// parentDescription is what the objects above the service's answer, so that
// tools that begin at the root find it.
const parentDescription = `<!DOCTYPE node PUBLIC "-//freedesktop//DTD D-BUS Object Introspection 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/introspect.dtd">
<node>
  <interface name="org.freedesktop.DBus.Peer">
    <method name="Ping"/>
    <method name="GetMachineId"><arg name="machine_uuid" type="s" direction="out"/></method>
  </interface>
  <interface name="org.freedesktop.DBus.Introspectable">
    <method name="Introspect"><arg name="data" type="s" direction="out"/></method>
  </interface>
  <node name="%s"/>
</node>
`

// export registers everything on the connection, which must not have been
// authenticated yet: the library reads its tables without a lock. Peer is
// answered by the library, at every path.
func (l *link) export(ctx context.Context) []error {
	errs := []error{
		l.bus.ExportMethodTable(l.methods(ctx), Path, Interface),
		l.bus.ExportMethodTable(l.readers(ctx), Path, propertiesInterface),
		l.exportDescription(ctx, Path, description),
	}
	for at := Path; at != "/"; {
		cut := strings.LastIndexByte(at, '/')
		child := at[cut+1:]
		at = "/" + strings.TrimPrefix(at[:cut], "/")
		errs = append(errs, l.exportDescription(ctx, at, fmt.Sprintf(parentDescription, child)))
	}
	return errs
}

func (l *link) exportDescription(ctx context.Context, path, xml string) error {
	table := map[string]any{
		"Introspect": func(m dbus.Message) (string, *dbus.Error) {
			return serve(ctx, l.service.reads, m, "", func(context.Context) (string, error) { return xml, nil })
		},
	}
	return l.bus.ExportMethodTable(table, dbus.ObjectPath(path), introspectableInterface)
}
