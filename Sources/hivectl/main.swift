print("hivectl")
