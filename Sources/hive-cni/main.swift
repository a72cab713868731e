import HiveRuntime

CNIPlugin.main()
