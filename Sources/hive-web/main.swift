import HiveWeb

Web.main()
