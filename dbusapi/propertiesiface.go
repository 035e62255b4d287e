// SPDX-License-Identifier: LGPL-2.1-or-later

package dbusapi

import (
	"context"
	"slices"

	"github.com/godbus/dbus/v5"
)

// readers is the method table of org.freedesktop.DBus.Properties. The library's
// own implementation is not used: it panics when the bus is gone, hands live
// maps to the encoder and has error names of its own.
func (l *link) readers(ctx context.Context) map[string]any {
	return map[string]any{
		"Get": func(m dbus.Message, iface, name string) (dbus.Variant, *dbus.Error) {
			return serve(ctx, l.service.reads, m, "ss", func(context.Context) (dbus.Variant, error) {
				return l.get(iface, name)
			})
		},
		"GetAll": func(m dbus.Message, iface string) (dict, *dbus.Error) {
			return serve(ctx, l.service.reads, m, "s", func(context.Context) (dict, error) {
				return l.getAll(iface)
			})
		},
		"Set": func(m dbus.Message, iface, name string, _ dbus.Variant) *dbus.Error {
			_, err := serve(ctx, l.service.reads, m, "ssv", func(context.Context) (struct{}, error) {
				return struct{}{}, l.set(iface, name)
			})
			return err
		},
	}
}

func (l *link) get(iface, name string) (dbus.Variant, error) {
	i, err := find(iface, name)
	if err != nil {
		return dbus.Variant{}, err
	}
	return dbus.MakeVariant((*l.service.current.Load())[i]), nil
}

func (l *link) getAll(iface string) (dict, error) {
	switch iface {
	case Interface, "": // an empty name stands for all interfaces
		return l.service.current.Load().all(), nil
	case propertiesInterface, introspectableInterface, peerInterface:
		return dict{}, nil
	}
	return nil, standardError("UnknownInterface", "no interface %q here", iface)
}

// set refuses: all properties are read-only.
func (l *link) set(iface, name string) error {
	if _, err := find(iface, name); err != nil {
		return err
	}
	return standardError("PropertyReadOnly", "property %s is read-only", name)
}

// find is the index of a property in the table and in each snapshot.
func find(iface, name string) (int, error) {
	switch iface {
	case Interface, "":
		if i := slices.IndexFunc(properties, func(p property) bool { return p.name == name }); i >= 0 {
			return i, nil
		}
	case propertiesInterface, introspectableInterface, peerInterface:
	default:
		return 0, standardError("UnknownInterface", "no interface %q here", iface)
	}
	return 0, standardError("UnknownProperty", "no property %q here", name)
}
