module domicile.dev/realnode/probe

go 1.26.0
