import HiveRuntime

NetavarkPlugin.main()
