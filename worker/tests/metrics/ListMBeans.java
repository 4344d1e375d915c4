import java.util.*;
import javax.management.*;
import javax.management.remote.*;
public class ListMBeans {
    public static void main(String[] args) throws Exception {
        var url = new JMXServiceURL("service:jmx:rmi:///jndi/rmi://127.0.0.1:" + args[0] + "/jmxrmi");
        boolean values = args.length > 1;
        try (var connector = JMXConnectorFactory.connect(url)) {
            var server = connector.getMBeanServerConnection();
            var lines = new TreeSet<String>();
            for (ObjectName name : server.queryNames(null, null)) {
                if (!name.getDomain().startsWith("kafka.")) continue;
                for (MBeanAttributeInfo attribute : server.getMBeanInfo(name).getAttributes()) {
                    Object value;
                    try { value = server.getAttribute(name, attribute.getName()); } catch (Exception e) { value = e; }
                    String kind = value == null ? "null" : value.getClass().getSimpleName();
                    lines.add(name.getCanonicalName() + "\t" + name + "\t" + attribute.getName() + "\t" + kind + (values ? "\t" + value : ""));
                }
            }
            lines.forEach(System.out::println);
        }
    }
}
