module xskclient

go 1.19
