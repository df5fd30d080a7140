//! Where an error comes from: the modules of Mbed OS, with its numbers.
//!
//! Source: `mbed_module_type_t` in `platform/include/platform/mbed_error.h`. The enumeration
//! counts: the comment above it leaves the watchdog out and is off by one from 22 on.

crate::names::closed_list! {
    /// The module field of a status.
    Module, "module";
    /// The application.
    Application = 0, "application";
    /// The platform: start-up, language run time.
    Platform = 1, "platform";
    /// The kernel: threads and what they wait for.
    Kernel = 2, "kernel";
    /// The network stack.
    NetworkStack = 3, "network-stack";
    /// The hardware abstraction.
    Hal = 4, "hal";
    /// The memory subsystem: heaps.
    MemorySubsystem = 5, "memory-subsystem";
    /// File systems.
    FileSystem = 6, "filesystem";
    /// Block devices.
    BlockDevice = 7, "block-device";
    /// A driver of no kind below.
    Driver = 8, "driver";
    /// A serial driver.
    DriverSerial = 9, "driver-serial";
    /// A driver of the real-time clock.
    DriverRtc = 10, "driver-rtc";
    /// An I2C driver.
    DriverI2c = 11, "driver-i2c";
    /// An SPI driver.
    DriverSpi = 12, "driver-spi";
    /// A driver of pins.
    DriverGpio = 13, "driver-gpio";
    /// A driver of analogue inputs or outputs.
    DriverAnalog = 14, "driver-analog";
    /// A driver of digital inputs or outputs.
    DriverDigital = 15, "driver-digital";
    /// A CAN driver.
    DriverCan = 16, "driver-can";
    /// An Ethernet driver.
    DriverEthernet = 17, "driver-ethernet";
    /// A driver of the CRC unit.
    DriverCrc = 18, "driver-crc";
    /// A PWM driver.
    DriverPwm = 19, "driver-pwm";
    /// A QSPI driver.
    DriverQspi = 20, "driver-qspi";
    /// A USB driver.
    DriverUsb = 21, "driver-usb";
    /// A watchdog driver.
    DriverWatchdog = 22, "driver-watchdog";
    /// The vendor's SDK.
    TargetSdk = 23, "target-sdk";
    /// Bluetooth Low Energy.
    Ble = 24, "ble";
    /// Network statistics.
    NetworkStats = 25, "network-stats";
    /// Whoever reports does not know.
    Unknown = 255, "unknown";
}
