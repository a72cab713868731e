import HiveCommand

Hivectl.program().main()
