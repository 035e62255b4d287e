untrusted comment: signature from minisign secret key
RWQOSaVezbxSdK+tCGIuCX2PvQSll3mksIN0bFwAOv6vmIvbszAxQHe8YnKQbmyom/r+j+Vuin256rN47tvJAXnwMDchVecjHQk=
trusted comment: 5.0.0-alpha.3
y8bcLIub2zkmjYJE0Agy4BrVipJ+H/pxU0x7aX0/VwH2H4RULo5uqufVBr5b861XhkjrLs07sPoMHlC0eIfpBg==
